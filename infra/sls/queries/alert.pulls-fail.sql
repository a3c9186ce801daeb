-- Finds, per cluster, the pull secrets that are unusable by at least two of the timer's runs, with
-- no better run since: the secret is missing or of the wrong type, lacks a registry, holds an
-- expired token, or is not bound to a service account. The alert means: pods of these namespaces
-- cannot pull their images.
* |
WITH
${registered_clusters},
-- Every record of a secret by a timer's run. `fresh` or `binding-reverted`, and failing: a service
-- account could not be bound. A contended secret was repaired by that run.
secret_records AS (
  SELECT
    cluster,
    run,
    concat(namespace, '/', secret) AS secret_path,
    reason,
    coalesce(message, '') AS words,
    __time__ AS seen_at,
    failing = 'true' AND result <> 'contended' AND reason IN (
      'secret-missing', 'wrong-type', 'registry-missing', 'expired', 'fresh', 'binding-reverted'
    ) AS unusable
  FROM log
  WHERE kind = 'secret'
    AND trigger LIKE 'timer:%'
),
-- When each secret was last usable.
last_usable AS (
  SELECT
    cluster,
    secret_path,
    max(seen_at) AS usable_at
  FROM secret_records
  WHERE NOT unusable
  GROUP BY cluster, secret_path
),
-- The secrets that at least two runs since then found unusable, and that the last run still saw.
unusable_secrets AS (
  SELECT
    s.cluster,
    s.secret_path,
    max_by(s.reason, s.seen_at) AS latest_reason,
    max_by(s.words, s.seen_at) AS latest_words
  FROM secret_records AS s
  JOIN registered AS r ON s.cluster = r.cluster
  LEFT JOIN last_usable AS u ON s.cluster = u.cluster AND s.secret_path = u.secret_path
  WHERE s.unusable
    AND s.seen_at > coalesce(u.usable_at, 0)
  GROUP BY s.cluster, s.secret_path
  HAVING count(DISTINCT s.run) >= 2
    AND max(s.seen_at) >= max(r.served_at)
)
SELECT
  cluster,
  count(*) AS secrets,
  min(secret_path) AS example,
  min_by(latest_reason, secret_path) AS last_reason,
  min_by(latest_words, secret_path) AS last_message
FROM unusable_secrets
GROUP BY cluster
ORDER BY cluster
LIMIT 100
