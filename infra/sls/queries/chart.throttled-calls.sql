-- Counts the calls that a cloud service refused because there were too many, per five minutes and
-- service.
kind: run |
SELECT
  date_format(from_unixtime(__time__ - __time__ % 300), '%m-%d %H:%i') AS period,
  sum(throttled_sts) AS sts,
  sum(throttled_cr) AS cr,
  sum(throttled_cs) AS cs,
  sum(throttled_kms) AS kms
FROM log
GROUP BY period
ORDER BY period
LIMIT 1000
