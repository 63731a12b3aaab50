-- Estimates: minutes at the hourly rate as of the visit. Unknown lengths and rates are counted, not guessed.
SELECT
    a.scheduled_date AS day, a.provider_id,
    COUNT(CASE WHEN a.status = 'Completed' THEN 1 END) AS completed,
    COUNT(CASE WHEN a.status = 'No-show' THEN 1 END) AS no_shows,
    SUM(
        CASE WHEN a.status = 'Completed'
            THEN CAST(CAST(a.duration_minutes AS DOUBLE PRECISION) / 60 * a.hourly_rate AS DECIMAL(18, 4))
        END
    ) AS delivered_estimate,
    SUM(
        CASE WHEN a.status = 'No-show'
            THEN CAST(CAST(a.planned_minutes AS DOUBLE PRECISION) / 60 * a.hourly_rate AS DECIMAL(18, 4))
        END
    ) AS lost_estimate,
    COUNT(
        CASE
            WHEN a.status = 'Completed' AND a.duration_minutes * a.hourly_rate IS NULL THEN 1
            WHEN a.status = 'No-show' AND a.planned_minutes * a.hourly_rate IS NULL THEN 1
        END
    ) AS visits_without_estimate,
    TRUE AS is_estimate
FROM v_appointment AS a
INNER JOIN v_clinic_day AS c ON c.day = a.scheduled_date
WHERE a.status IN ('Completed', 'No-show') AND a.provider_id IS NOT NULL
GROUP BY a.scheduled_date, a.provider_id
ORDER BY day, a.provider_id
