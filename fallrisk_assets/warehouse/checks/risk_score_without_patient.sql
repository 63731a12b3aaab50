-- Risk scores of a day whose patient or day is in no dimension as of the score's time.
SELECT DISTINCT f.wearable_patient_id AS member, f.event_at
FROM fact_risk_score AS f
LEFT JOIN dim_patient AS d
    ON d.patient_key = f.patient_key
    AND d.valid_from <= f.event_at
    AND (d.valid_to IS NULL OR f.event_at < d.valid_to)
LEFT JOIN dim_date AS c ON c.date_id = f.date_id
WHERE f.day = ? AND (d.patient_key IS NULL OR c.date_id IS NULL)
ORDER BY member
