-- From events to requests. Parameters: experiment, start and "end" (NULL: open), pre_days, window_days, source.

-- Who saw which variant in which request, whoever logged it. An interleaved page has no variant: it is ''.
CREATE TEMP TABLE members AS
SELECT request_id, assigned.variant, bool_or(assigned.forced) AS forced, max(unit) AS unit, min(time) AS time
FROM impressions, UNNEST(experiments) AS one(assigned)
WHERE assigned.experiment = $experiment AND ($start IS NULL OR time >= $start) AND ($end IS NULL OR time < $end)
GROUP BY request_id, assigned.variant;

CREATE TEMP TABLE span AS
SELECT coalesce($start, min(time)) AS start, coalesce($end, (SELECT max(time) + INTERVAL 1 MICROSECOND FROM impressions)) AS "end",
  coalesce($start, min(time)) - to_microseconds(CAST($pre_days * 86400e6 AS BIGINT)) AS pre_start,
  CASE WHEN $source <> 'auto' THEN $source
       WHEN EXISTS (SELECT 1 FROM impressions SEMI JOIN members USING (request_id) WHERE source = 'client') THEN 'client'
       ELSE 'server' END AS source
FROM members;

-- Each item that was shown, once a request, of the experiment and of the pre-period.
CREATE TEMP TABLE shown AS
SELECT request_id, item.item_id, max(unit) AS unit, min(time) AS time, min(query_item_id) AS query_item_id
FROM impressions, span, UNNEST(items) AS one(item)
WHERE time >= pre_start AND time < "end" AND impressions.source = span.source
GROUP BY request_id, item.item_id;

-- Each item that was tapped, once a request. The request's unit counts; taps may come without one.
CREATE TEMP TABLE tapped AS
SELECT request_id, item_id, coalesce(shown.unit, max(taps.unit)) AS unit, min(taps.time) AS time
FROM taps JOIN shown USING (request_id, item_id)
GROUP BY request_id, item_id, shown.unit;

-- Each purchase with the last tap of its unit on its item. A purchase without a unit is its request's unit's.
CREATE TEMP TABLE bought AS
WITH buyers AS (
  SELECT purchases.item_id, purchases.time, coalesce(purchases.unit, requests.unit) AS unit
  FROM purchases LEFT JOIN (SELECT request_id, max(unit) AS unit FROM impressions GROUP BY request_id) AS requests
    USING (request_id)
)
SELECT tapped.request_id, tapped.item_id
FROM buyers ASOF JOIN tapped
  ON buyers.unit = tapped.unit AND buyers.item_id = tapped.item_id AND buyers.time >= tapped.time
WHERE buyers.time - tapped.time <= to_microseconds(CAST($window_days * 86400e6 AS BIGINT));

-- One row a request, with its sums.
CREATE TEMP TABLE requests AS
WITH seen AS (
  SELECT request_id, max(unit) AS unit, min(time) AS time, min(query_item_id) AS query_item_id, count(*) AS impressions
  FROM shown GROUP BY request_id
), taps_of AS (SELECT request_id, count(*) AS taps FROM tapped GROUP BY request_id),
purchases_of AS (SELECT request_id, count(*) AS purchases FROM bought GROUP BY request_id)
SELECT seen.*, coalesce(taps, 0) AS taps, coalesce(purchases, 0) AS purchases
FROM seen LEFT JOIN taps_of USING (request_id) LEFT JOIN purchases_of USING (request_id);

-- Units that were in one variant by chance alone, and did not ask like a machine.
CREATE TEMP TABLE several AS
SELECT unit FROM members WHERE unit IS NOT NULL AND NOT forced GROUP BY unit HAVING count(DISTINCT variant) > 1;

CREATE TEMP TABLE assigned AS
SELECT request_id, variant, unit, time FROM members ANTI JOIN several USING (unit) WHERE unit IS NOT NULL AND NOT forced;
