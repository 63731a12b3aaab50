-- Each alert on the clinic's running once, as it stood at the end of the newest day that knows it.
CREATE OR REPLACE VIEW v_operations_alert AS
SELECT
    f.alert_id, f.day AS as_of_day, f.rule, f.scope, f.severity, f.state, f.n, f.opened_at, f.last_seen_at,
    f.acknowledged_at, f.closed_at, CAST(f.opened_at AS DATE) AS opened_on,
    CAST(EXTRACT(EPOCH FROM (f.acknowledged_at - f.opened_at)) / 60 AS DECIMAL(12, 4)) AS minutes_to_acknowledge,
    CAST(EXTRACT(EPOCH FROM (f.closed_at - f.opened_at)) / 60 AS DECIMAL(12, 4)) AS minutes_to_close
FROM fact_alert AS f
INNER JOIN (SELECT alert_id, MAX(day) AS day FROM fact_alert GROUP BY alert_id) AS newest
    ON newest.alert_id = f.alert_id AND newest.day = f.day
WHERE f.origin = 'operations';
