-- Shows how many minutes the first pull secret of all clusters had left at the end of a run, per
-- five minutes.
kind: run |
SELECT
  date_format(from_unixtime(__time__ - __time__ % 300), '%m-%d %H:%i') AS period,
  round(min(seconds_left) / 60.0, 1) AS minutes
FROM log
WHERE seconds_left IS NOT NULL
GROUP BY period
ORDER BY period
LIMIT 1000
