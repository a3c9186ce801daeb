-- Counts the clusters by their latest result: served, attention, failed, skipped or deferred.
kind: cluster |
SELECT
  state,
  count(*) AS how_many
FROM (
  SELECT
    cluster,
    max_by(result, __time__) AS state
  FROM log
  GROUP BY cluster
) AS latest
GROUP BY state
ORDER BY how_many DESC
