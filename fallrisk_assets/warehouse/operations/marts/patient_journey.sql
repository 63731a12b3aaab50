-- Each patient with an appointment, as known now.
WITH visits AS (
    SELECT
        patient_key, patient_id,
        MIN(booked_at) AS first_booked_at,
        MIN(CASE WHEN status = 'Completed' THEN scheduled_date END) AS first_visit_on,
        MAX(CASE WHEN status = 'Completed' THEN scheduled_date END) AS last_visit_on,
        MIN(CASE WHEN status = 'Scheduled' THEN event_at END) AS next_visit_at,
        COUNT(*) AS booked,
        COUNT(CASE WHEN status = 'Completed' THEN 1 END) AS completed,
        COUNT(CASE WHEN status = 'No-show' THEN 1 END) AS no_shows,
        COUNT(CASE WHEN status = 'Cancelled' THEN 1 END) AS cancelled,
        COUNT(CASE WHEN status = 'Rescheduled' THEN 1 END) AS rescheduled
    FROM v_appointment
    GROUP BY patient_key, patient_id
),
answers AS (
    SELECT
        patient_key, AVG(CAST(overall_satisfaction AS DOUBLE PRECISION)) AS mean_satisfaction,
        COUNT(overall_satisfaction) AS answers
    FROM v_answer
    GROUP BY patient_key
),
risk AS (
    SELECT r.patient_key, r.day, r.band, r.probability_12m
    FROM v_risk_score AS r
    INNER JOIN (SELECT patient_key, MAX(day) AS day FROM v_risk_score GROUP BY patient_key) AS newest
        ON newest.patient_key = r.patient_key AND newest.day = r.day
)
SELECT
    v.patient_id, d.site_id, d.age_group, d.registration_date, v.first_booked_at, v.first_visit_on, v.last_visit_on,
    v.next_visit_at, v.booked, v.completed, v.no_shows, v.cancelled, v.rescheduled,
    s.mean_satisfaction, COALESCE(s.answers, 0) AS answers,
    r.day AS risk_day, r.band AS risk_band, r.probability_12m
FROM visits AS v
LEFT JOIN dim_patient AS d ON d.patient_key = v.patient_key AND d.is_current
LEFT JOIN answers AS s ON s.patient_key = v.patient_key
LEFT JOIN risk AS r ON r.patient_key = v.patient_key
ORDER BY v.patient_id
