-- Alerts of a day whose patient, device or day is in no dimension as of the alert's opening. An alert may have no
-- patient (a device that nobody wears) or no device (the index); what it names must exist.
SELECT f.alert_id AS member, f.event_at
FROM fact_alert AS f
WHERE f.day = ?
    AND (
        (
            f.wearable_patient_id IS NOT NULL
            AND NOT EXISTS (
                SELECT 1 FROM dim_patient AS d
                WHERE d.patient_key = f.patient_key
                    AND d.valid_from <= f.event_at
                    AND (d.valid_to IS NULL OR f.event_at < d.valid_to)
            )
        )
        OR (
            f.device_id IS NOT NULL
            AND f.wearable_patient_id IS NOT NULL
            AND NOT EXISTS (
                SELECT 1 FROM dim_device AS v
                WHERE v.device_key = f.device_key
                    AND v.valid_from <= f.event_at
                    AND (v.valid_to IS NULL OR f.event_at < v.valid_to)
            )
        )
        OR NOT EXISTS (SELECT 1 FROM dim_date AS c WHERE c.date_id = f.date_id)
    )
ORDER BY member
