-- Finds whether more than 5 % of the secrets' records, or of the clusters' records, are failures.
-- The alert means: many things fail at once, so look for a common cause, such as a role, a registry
-- or the network.
* |
SELECT
  kind,
  count_if(failing = 'true' OR (kind = 'cluster' AND result = 'failed')) AS failures,
  count(*) AS total,
  round(
    100.0 * count_if(failing = 'true' OR (kind = 'cluster' AND result = 'failed')) / count(*), 1
  ) AS percent
FROM log
WHERE kind IN ('cluster', 'secret')
GROUP BY kind
HAVING 20 * count_if(failing = 'true' OR (kind = 'cluster' AND result = 'failed')) > count(*)
ORDER BY kind
