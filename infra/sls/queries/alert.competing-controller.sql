-- Finds, per cluster, the pull secrets that something else creates or changes: a secret of the same
-- name that acr-refresher did not create, a secret whose data was changed, a secret that is changed
-- back again and again (contended), or a namespace that the ACK credential helper serves. The alert means: two controllers write the same secrets, and one of
-- them has to stop.
kind: secret |
WITH
competing AS (
  SELECT
    cluster,
    concat(namespace, '/', secret) AS secret_path,
    max_by(result, __time__) AS latest_result,
    max_by(coalesce(reason, ''), __time__) AS latest_reason,
    max_by(coalesce(warnings, ''), __time__) AS latest_warnings
  FROM log
  WHERE result IN ('conflict', 'contended')
    OR error = 'conflict'
    OR reason = 'data-drifted'
    OR warnings LIKE '%credential helper%'
  GROUP BY cluster, namespace, secret
)
SELECT
  cluster,
  count(*) AS secrets,
  min(secret_path) AS example,
  min_by(latest_result, secret_path) AS last_result,
  min_by(latest_reason, secret_path) AS last_reason,
  min_by(latest_warnings, secret_path) AS last_warnings
FROM competing
GROUP BY cluster
ORDER BY cluster
LIMIT 100
