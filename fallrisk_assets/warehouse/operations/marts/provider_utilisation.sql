-- Weeks of providers who were active on their Mondays; hours are offered by the week.
WITH weeks AS (
    SELECT c.iso_year, c.iso_week, MIN(c.date) AS monday
    FROM dim_date AS c
    INNER JOIN (SELECT DISTINCT iso_year, iso_week FROM v_clinic_day) AS told
        ON told.iso_year = c.iso_year AND told.iso_week = c.iso_week
    GROUP BY c.iso_year, c.iso_week
),
reach AS (SELECT MIN(first_day) AS first_day, MAX(as_of) AS as_of FROM v_clinic_day),
visits AS (
    SELECT
        c.iso_year, c.iso_week, a.provider_key, COUNT(*) AS booked,
        COUNT(CASE WHEN a.status = 'Completed' THEN 1 END) AS completed,
        SUM(CASE WHEN a.status = 'Completed' THEN a.duration_minutes END) AS delivered_minutes,
        COUNT(CASE WHEN a.status = 'Completed' AND a.duration_minutes IS NULL THEN 1 END) AS without_length
    FROM v_appointment AS a
    INNER JOIN v_clinic_day AS c ON c.day = a.scheduled_date
    GROUP BY c.iso_year, c.iso_week, a.provider_key
)
SELECT
    w.iso_year, w.iso_week, p.provider_id, p.specialty,
    COALESCE(v.booked, 0) AS booked,
    COALESCE(v.completed, 0) AS completed,
    v.delivered_minutes,
    COALESCE(v.without_length, 0) AS visits_without_length,
    p.available_hours_per_week * 60 AS available_minutes,
    CASE
        WHEN p.available_hours_per_week > 0 AND COALESCE(v.completed, 0) = 0 THEN 0
        ELSE v.delivered_minutes / NULLIF(p.available_hours_per_week * 60, 0)
    END AS utilisation,
    r.first_day <= w.monday AND CAST(r.as_of AS DATE) > w.monday + 6 AS is_complete
FROM weeks AS w
CROSS JOIN reach AS r
INNER JOIN dim_provider AS p
    ON p.active
    AND CAST(p.valid_from AS DATE) <= w.monday
    AND (p.valid_to IS NULL OR w.monday < CAST(p.valid_to AS DATE))
LEFT JOIN visits AS v
    ON v.provider_key = p.provider_key AND v.iso_year = w.iso_year AND v.iso_week = w.iso_week
ORDER BY w.iso_year, w.iso_week, p.provider_id
