-- Appointments of a day that count and whose patient, provider, day or time is in no dimension as of the visit.
SELECT DISTINCT f.appointment_id AS member, f.event_at
FROM fact_appointment AS f
LEFT JOIN dim_patient AS d
    ON d.patient_key = f.patient_key
    AND d.valid_from <= f.event_at
    AND (d.valid_to IS NULL OR f.event_at < d.valid_to)
LEFT JOIN dim_provider AS p
    ON p.provider_key = f.provider_key
    AND p.valid_from <= f.event_at
    AND (p.valid_to IS NULL OR f.event_at < p.valid_to)
LEFT JOIN dim_date AS c ON c.date_id = f.date_id
LEFT JOIN dim_time AS t ON t.time_id = f.time_id
LEFT JOIN dim_status AS s ON s.status_key = f.status_key
LEFT JOIN dim_appointment_type AS k ON k.appointment_type_key = f.appointment_type_key
WHERE f.day = ?
    AND f.refusal IS NULL
    AND (
        d.patient_key IS NULL
        OR p.provider_key IS NULL
        OR c.date_id IS NULL
        OR t.time_id IS NULL
        OR s.status_key IS NULL
        OR (f.appointment_type_key IS NOT NULL AND k.appointment_type_key IS NULL)
    )
ORDER BY member
