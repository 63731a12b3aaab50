-- Each appointment once, as it stood at the end of the newest day that knows it, with patient and provider as they
-- were at its time. Appointments that count nowhere are left out. Minutes are decimals: a sum of them is the same in
-- whatever order they are added.
CREATE OR REPLACE VIEW v_appointment AS
SELECT
    f.appointment_key, f.appointment_id, f.day AS as_of_day, f.date_id, f.time_id, f.event_at, f.scheduled_date,
    f.patient_key, d.patient_version_key, f.patient_id, d.site_id, d.age_group, d.gender,
    f.provider_key, p.provider_version_key, p.provider_id, p.specialty, p.hourly_rate,
    f.status_key, f.status, f.appointment_type_key, t.appointment_type, f.source, f.booked_at, f.lead_time_days,
    f.mode,
    CAST(f.planned_minutes AS DECIMAL(12, 4)) AS planned_minutes,
    CAST(f.wait_minutes AS DECIMAL(12, 4)) AS wait_minutes,
    CAST(f.duration_minutes AS DECIMAL(12, 4)) AS duration_minutes,
    f.patient_arrived, f.session_started,
    f.had_technical_issue, f.issue_type, f.connection_score, f.device_type, f.browser, f.cancelled_at,
    f.reschedule_count, f.rescheduled_to
FROM fact_appointment AS f
INNER JOIN (
    SELECT appointment_key, MAX(day) AS day FROM fact_appointment GROUP BY appointment_key
) AS newest
    ON newest.appointment_key = f.appointment_key AND newest.day = f.day
LEFT JOIN dim_patient AS d
    ON d.patient_key = f.patient_key
    AND d.valid_from <= f.event_at
    AND (d.valid_to IS NULL OR f.event_at < d.valid_to)
LEFT JOIN dim_provider AS p
    ON p.provider_key = f.provider_key
    AND p.valid_from <= f.event_at
    AND (p.valid_to IS NULL OR f.event_at < p.valid_to)
LEFT JOIN dim_appointment_type AS t ON t.appointment_type_key = f.appointment_type_key
WHERE f.refusal IS NULL;
