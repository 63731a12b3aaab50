-- Alerts of a day whose patient, device or day is in no dimension as of the alert's opening. An alert may have no
-- patient (a device that nobody wears) or no device (the index); what it names must exist.
SELECT DISTINCT f.alert_id AS member, f.event_at
FROM fact_alert AS f
LEFT JOIN dim_patient AS d
    ON d.patient_key = f.patient_key
    AND d.valid_from <= f.event_at
    AND (d.valid_to IS NULL OR f.event_at < d.valid_to)
LEFT JOIN dim_device AS v
    ON v.device_key = f.device_key
    AND v.valid_from <= f.event_at
    AND (v.valid_to IS NULL OR f.event_at < v.valid_to)
LEFT JOIN dim_date AS c ON c.date_id = f.date_id
WHERE f.day = ?
    AND (
        (f.wearable_patient_id IS NOT NULL AND d.patient_key IS NULL)
        OR (f.device_id IS NOT NULL AND f.wearable_patient_id IS NOT NULL AND v.device_key IS NULL)
        OR c.date_id IS NULL
    )
ORDER BY member
