-- Appointments of a day that count and whose patient, provider, day or time is in no dimension as of the visit.
SELECT f.appointment_id AS member, f.event_at
FROM fact_appointment AS f
WHERE f.day = ?
    AND f.refusal IS NULL
    AND (
        NOT EXISTS (
            SELECT 1 FROM dim_patient AS d
            WHERE d.patient_key = f.patient_key
                AND d.valid_from <= f.event_at
                AND (d.valid_to IS NULL OR f.event_at < d.valid_to)
        )
        OR NOT EXISTS (
            SELECT 1 FROM dim_provider AS p
            WHERE p.provider_key = f.provider_key
                AND p.valid_from <= f.event_at
                AND (p.valid_to IS NULL OR f.event_at < p.valid_to)
        )
        OR NOT EXISTS (SELECT 1 FROM dim_date AS c WHERE c.date_id = f.date_id)
        OR NOT EXISTS (SELECT 1 FROM dim_time AS t WHERE t.time_id = f.time_id)
        OR NOT EXISTS (SELECT 1 FROM dim_status AS s WHERE s.status_key = f.status_key)
        OR (
            f.appointment_type_key IS NOT NULL
            AND NOT EXISTS (
                SELECT 1 FROM dim_appointment_type AS k WHERE k.appointment_type_key = f.appointment_type_key
            )
        )
    )
ORDER BY member
