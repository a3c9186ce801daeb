-- Counts the pull secrets by result, per five minutes. 0.1.0 writes `secrets_degraded` for
-- `secrets_incomplete`.
kind: run |
SELECT
  date_format(from_unixtime(__time__ - __time__ % 300), '%m-%d %H:%i') AS period,
  sum(secrets_created) AS created,
  sum(secrets_renewed) AS renewed,
  sum(coalesce(secrets_incomplete, secrets_degraded)) AS incomplete,
  sum(coalesce(secrets_kept, 0)) AS kept,
  sum(secrets_conflict) AS conflict,
  sum(coalesce(secrets_contended, 0)) AS contended,
  sum(secrets_failed) AS failed
FROM log
GROUP BY period
ORDER BY period
LIMIT 1000
