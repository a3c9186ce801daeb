-- Counts the registry tokens that the function minted, per five minutes.
message.event: token.minted |
SELECT
  date_format(from_unixtime(__time__ - __time__ % 300), '%m-%d %H:%i') AS period,
  count(*) AS tokens
FROM log
GROUP BY period
ORDER BY period
LIMIT 1000
