-- Part of the alerts `expiry` and `pulls-fail`: the clusters that a timer still serves.

-- The complete runs: their records name every cluster of the run. A run in shards has the clusters
-- that its coordinator serves and those that it delegated. A run that could not list the clusters
-- of an account (`discover[0] cn-hangzhou`) is not complete. 0.1.0 writes `clusters_handed_on`.
complete_runs AS (
  SELECT
    trigger,
    min(__time__) AS began_at
  FROM log
  WHERE kind IN ('run', 'cluster')
    AND trigger LIKE 'timer:%'
  GROUP BY trigger, run
  HAVING count(DISTINCT cluster) >= max(
      CASE WHEN coalesce(shard, '') = ''
        THEN clusters + coalesce(clusters_delegated, clusters_handed_on)
      END
    )
    AND count_if(cluster LIKE 'discover[%') = 0
),
-- When the latest complete run of each timer began.
latest_complete AS (
  SELECT
    trigger,
    max(began_at) AS latest_at
  FROM complete_runs
  GROUP BY trigger
),
-- The last record of each cluster per timer, and when the function last saw the cluster's secrets.
cluster_records AS (
  SELECT
    cluster,
    trigger,
    max(__time__) AS named_at,
    max_by(result, __time__) AS last_result,
    max(CASE WHEN result IN ('served', 'attention') THEN __time__ END) AS served_at
  FROM log
  WHERE kind = 'cluster'
    AND trigger LIKE 'timer:%'
  GROUP BY cluster, trigger
),
-- A cluster counts when the latest complete run, or a later run, names it and it was not skipped.
registered AS (
  SELECT
    c.cluster,
    max(c.served_at) AS served_at
  FROM cluster_records AS c
  LEFT JOIN latest_complete AS l ON c.trigger = l.trigger
  WHERE c.last_result <> 'skipped'
    AND (l.latest_at IS NULL OR c.named_at >= l.latest_at)
  GROUP BY c.cluster
)
