-- Finds, per cluster, the pull secrets that expire within ten minutes and that either are due for
-- renewal or were not checked for ten minutes. The alert means: renewals fail, and image pulls fail
-- when the secret expires.
* |
WITH
${registered_clusters},
-- The last known state of each secret: `expires` is in seconds since the epoch.
latest_secrets AS (
  SELECT
    cluster,
    concat(namespace, '/', secret) AS secret_path,
    max(__time__) AS seen_at,
    max_by(result, __time__) AS last_result,
    max_by(seconds_left, __time__) AS left_then,
    max_by(threshold_seconds, __time__) AS threshold,
    max_by(__time__ + seconds_left, __time__) AS expires
  FROM log
  WHERE kind = 'secret'
    AND (seconds_left IS NOT NULL OR result = 'removed')
  GROUP BY cluster, namespace, secret
)
-- A secret that was not there when its cluster was last served is gone, and does not count.
SELECT
  s.cluster,
  round((min(s.expires) - to_unixtime(now())) / 60, 1) AS minutes,
  count(*) AS secrets,
  min_by(s.secret_path, s.expires) AS example
FROM latest_secrets AS s
JOIN registered AS r ON s.cluster = r.cluster
WHERE s.last_result NOT IN ('removed', 'skipped')
  AND s.seen_at >= r.served_at
  AND s.expires - to_unixtime(now()) < 600
  AND (s.left_then <= s.threshold OR to_unixtime(now()) - s.seen_at > 600)
GROUP BY s.cluster
ORDER BY minutes
LIMIT 100
