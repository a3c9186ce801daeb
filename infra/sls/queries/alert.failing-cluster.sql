-- Finds the clusters with at least three records of which every record is `failed` or `attention`.
-- The alert means: acr-refresher cannot serve the cluster correctly, and the next run will not mend
-- that.
kind: cluster |
SELECT
  cluster,
  max_by(result, __time__) AS last_result,
  max_by(error, __time__) AS last_error,
  max_by(message, __time__) AS last_message,
  count(*) AS runs
FROM log
GROUP BY cluster
HAVING count(*) >= 3
  AND count_if(result IN ('failed', 'attention')) = count(*)
ORDER BY cluster
LIMIT 100
