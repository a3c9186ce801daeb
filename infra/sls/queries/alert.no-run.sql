-- Finds a row only when there is no record of a timer's run. The alert means: the timer, the
-- function or the delivery of its records has stopped.
kind: run |
SELECT
  count(*) AS runs
FROM log
WHERE trigger LIKE 'timer:%'
HAVING count(*) = 0
