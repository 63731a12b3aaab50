-- Risk scores of a day whose patient or day is in no dimension as of the score's time.
SELECT f.wearable_patient_id AS member, f.event_at
FROM fact_risk_score AS f
WHERE f.day = ?
    AND (
        NOT EXISTS (
            SELECT 1 FROM dim_patient AS d
            WHERE d.patient_key = f.patient_key
                AND d.valid_from <= f.event_at
                AND (d.valid_to IS NULL OR f.event_at < d.valid_to)
        )
        OR NOT EXISTS (SELECT 1 FROM dim_date AS c WHERE c.date_id = f.date_id)
    )
ORDER BY member
