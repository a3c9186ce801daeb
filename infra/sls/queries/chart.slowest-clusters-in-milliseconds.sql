-- Shows the clusters that took longest in any run, their usual duration, and the most requests of a
-- run.
kind: cluster |
SELECT
  cluster,
  region,
  max(duration_ms) AS slowest,
  approx_percentile(duration_ms, 0.5) AS median,
  max(requests) AS most_requests
FROM log
GROUP BY cluster, region
ORDER BY slowest DESC
LIMIT 20
