-- Each alert on a patient or a device once, as it stood at the end of the newest day that knows it. Minutes are decimals: a sum of them is the
-- same in whatever order they are added.
CREATE OR REPLACE VIEW v_alert AS
SELECT
    f.alert_id, f.day AS as_of_day, f.patient_key, d.patient_version_key, d.patient_id, f.wearable_patient_id,
    d.site_id, d.age_group, f.device_key, v.device_version_key, f.device_id, v.firmware, f.origin, f.rule,
    f.severity, f.state, f.escalation_level, f.n, f.opened_at, f.last_seen_at, f.acknowledged_at, f.closed_at,
    CAST(f.opened_at AS DATE) AS opened_on,
    CAST(EXTRACT(EPOCH FROM (f.acknowledged_at - f.opened_at)) / 60 AS DECIMAL(12, 4)) AS minutes_to_acknowledge,
    CAST(EXTRACT(EPOCH FROM (f.closed_at - f.opened_at)) / 60 AS DECIMAL(12, 4)) AS minutes_to_close
FROM fact_alert AS f
INNER JOIN (SELECT alert_id, MAX(day) AS day FROM fact_alert GROUP BY alert_id) AS newest
    ON newest.alert_id = f.alert_id AND newest.day = f.day
LEFT JOIN dim_patient AS d
    ON d.patient_key = f.patient_key
    AND d.valid_from <= f.event_at
    AND (d.valid_to IS NULL OR f.event_at < d.valid_to)
LEFT JOIN dim_device AS v
    ON v.device_key = f.device_key
    AND v.valid_from <= f.event_at
    AND (v.valid_to IS NULL OR f.event_at < v.valid_to)
WHERE f.origin <> 'operations';
