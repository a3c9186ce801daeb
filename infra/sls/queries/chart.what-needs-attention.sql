-- Lists the clusters and pull secrets that failed, the latest first, with the last message and
-- request ID of each.
* |
SELECT
  max(__time__) AS last_seen,
  kind,
  cluster,
  namespace,
  secret,
  result,
  reason,
  error,
  error_code,
  max_by(message, __time__) AS last_message,
  max_by(request_id, __time__) AS last_request_id,
  count(*) AS times
FROM log
WHERE failing = 'true'
  OR (kind = 'cluster' AND result = 'failed')
GROUP BY kind, cluster, namespace, secret, result, reason, error, error_code
ORDER BY last_seen DESC
LIMIT 100
