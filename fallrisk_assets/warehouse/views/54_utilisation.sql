-- Minutes delivered in the seven days that end on a day, and minutes a week of the providers who are active on it.
-- Hours are offered by the week, so that seven days compare with them whatever days a provider works. Providers of
-- whom no hours are known are left out; the first days, of which the log tells less than seven, too.
CREATE OR REPLACE VIEW v_utilisation_7d AS
WITH delivered AS (
    SELECT scheduled_date AS day, provider_key, SUM(duration_minutes) AS minutes
    FROM v_appointment
    WHERE status = 'Completed'
    GROUP BY scheduled_date, provider_key
),
back AS (
    SELECT 0 AS days UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5
    UNION ALL SELECT 6
),
of_week AS (
    SELECT d.day + b.days AS day, d.provider_key, SUM(d.minutes) AS minutes
    FROM delivered AS d
    CROSS JOIN back AS b
    GROUP BY d.day + b.days, d.provider_key
)
SELECT
    c.day, p.provider_key, p.provider_id, p.specialty, w.minutes AS delivered_minutes,
    p.available_hours_per_week * 60 AS available_minutes
FROM v_clinic_day AS c
INNER JOIN dim_provider AS p
    ON p.active
    AND p.available_hours_per_week > 0
    AND CAST(p.valid_from AS DATE) <= c.day
    AND (p.valid_to IS NULL OR c.day < CAST(p.valid_to AS DATE))
LEFT JOIN of_week AS w ON w.provider_key = p.provider_key AND w.day = c.day
WHERE c.day >= c.first_day + 6;
