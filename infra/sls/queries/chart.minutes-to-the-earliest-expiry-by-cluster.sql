-- Shows how many minutes from now the first pull secret of each cluster expires, by the cluster's
-- latest record.
kind: cluster |
SELECT
  cluster,
  round((max_by(__time__ + seconds_left, __time__) - to_unixtime(now())) / 60, 1) AS minutes
FROM log
WHERE seconds_left IS NOT NULL
GROUP BY cluster
ORDER BY minutes
LIMIT 30
