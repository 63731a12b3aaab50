-- Whom to call at the end of a day: a ground of concern, and no visit ahead or a missed one. As known on that day.
--
-- Concern: a detected fall of the 14 days before (closed as false does not count), a high band on the newest scored
-- day of 14, or an open alert on a rising index. The newest day may be without a score: it is shown as such, and
-- does not make an earlier high one low. Missed: the last visit of 60 days that was due, if the patient did not come.
-- Order: a fall weighs 4, high 3, rising 2, a missed visit 1; then the probability.
WITH asked AS (
    SELECT CAST(? AS DATE) AS day
),
moment AS (
    SELECT day, CAST(day + 1 AS TIMESTAMP) AT TIME ZONE 'UTC' AS ends_at FROM asked
),
patients AS (
    SELECT d.patient_key, d.patient_id, d.site_id
    FROM dim_patient AS d
    CROSS JOIN moment AS m
    WHERE d.valid_from < m.ends_at AND (d.valid_to IS NULL OR m.ends_at <= d.valid_to)
),
falls AS (
    SELECT f.patient_key, COUNT(*) AS falls, MAX(f.opened_at) AS last_fall_at
    FROM (
        SELECT
            fact_alert.*,
            ROW_NUMBER() OVER (PARTITION BY alert_id ORDER BY fact_alert.day DESC) AS place
        FROM fact_alert
        CROSS JOIN moment AS m
        WHERE rule = 'FALL_DETECTED' AND fact_alert.day <= m.day AND fact_alert.day > m.day - 14
    ) AS f
    WHERE f.place = 1 AND f.state <> 'CLOSED_FALSE' AND f.patient_key IS NOT NULL
    GROUP BY f.patient_key
),
rising AS (
    SELECT DISTINCT f.patient_key
    FROM fact_alert AS f
    INNER JOIN moment AS m ON f.day = m.day
    WHERE f.rule = 'INDEX_CHANGE' AND f.closed_at IS NULL AND f.patient_key IS NOT NULL
),
scores AS (
    SELECT
        r.patient_key, r.status, r.band, r.probability_12m,
        ROW_NUMBER() OVER (PARTITION BY r.patient_key ORDER BY r.day DESC) AS place,
        ROW_NUMBER() OVER (
            PARTITION BY r.patient_key ORDER BY CASE WHEN r.status = 'SCORED' THEN 0 ELSE 1 END, r.day DESC
        ) AS place_of_scored
    FROM fact_risk_score AS r
    CROSS JOIN moment AS m
    WHERE r.day <= m.day AND r.day > m.day - 14 AND r.patient_key IS NOT NULL
),
risk AS (
    SELECT
        patient_key,
        MAX(CASE WHEN place = 1 THEN status END) AS status,
        MAX(CASE WHEN place_of_scored = 1 AND status = 'SCORED' THEN band END) AS band,
        MAX(CASE WHEN place_of_scored = 1 AND status = 'SCORED' THEN probability_12m END) AS probability_12m
    FROM scores
    GROUP BY patient_key
),
at_risk AS (
    SELECT patient_key FROM falls
    UNION
    SELECT patient_key FROM rising
    UNION
    SELECT patient_key FROM risk WHERE band = 'high'
),
appointments AS (
    SELECT a.patient_key, a.status, a.event_at
    FROM (
        SELECT
            fact_appointment.*,
            ROW_NUMBER() OVER (PARTITION BY fact_appointment.appointment_key ORDER BY fact_appointment.day DESC) AS place
        FROM fact_appointment
        INNER JOIN (
            SELECT DISTINCT f.appointment_key
            FROM fact_appointment AS f
            INNER JOIN at_risk AS c ON c.patient_key = f.patient_key
        ) AS of_them ON of_them.appointment_key = fact_appointment.appointment_key
        CROSS JOIN moment AS m
        WHERE fact_appointment.day <= m.day
    ) AS a
    WHERE a.place = 1 AND a.refusal IS NULL
),
ahead AS (
    SELECT a.patient_key, MIN(a.event_at) AS next_visit_at
    FROM appointments AS a
    CROSS JOIN moment AS m
    WHERE a.status = 'Scheduled' AND a.event_at >= m.ends_at
    GROUP BY a.patient_key
),
due AS (
    SELECT
        a.patient_key, a.status, a.event_at,
        ROW_NUMBER() OVER (PARTITION BY a.patient_key ORDER BY a.event_at DESC, a.status) AS place
    FROM appointments AS a
    CROSS JOIN moment AS m
    WHERE a.status IN ('Completed', 'No-show', 'In progress')
        AND a.event_at < m.ends_at
        AND a.event_at >= m.ends_at - INTERVAL '60' DAY
),
missed AS (
    SELECT patient_key, event_at AS missed_visit_at FROM due WHERE place = 1 AND status = 'No-show'
),
concern AS (
    SELECT
        p.patient_key, p.patient_id, p.site_id, COALESCE(f.falls, 0) AS falls, f.last_fall_at,
        r.status AS risk_status, r.band AS risk_band, r.probability_12m, u.patient_key IS NOT NULL AS is_rising,
        n.next_visit_at, x.missed_visit_at,
        COALESCE(r.band = 'high', FALSE) AS is_high
    FROM patients AS p
    INNER JOIN at_risk AS c ON c.patient_key = p.patient_key
    LEFT JOIN falls AS f ON f.patient_key = p.patient_key
    LEFT JOIN rising AS u ON u.patient_key = p.patient_key
    LEFT JOIN risk AS r ON r.patient_key = p.patient_key
    LEFT JOIN ahead AS n ON n.patient_key = p.patient_key
    LEFT JOIN missed AS x ON x.patient_key = p.patient_key
),
listed AS (
    SELECT
        concern.*,
        CASE WHEN falls > 0 THEN 4 ELSE 0 END + CASE WHEN is_high THEN 3 ELSE 0 END
        + CASE WHEN is_rising THEN 2 ELSE 0 END + CASE WHEN missed_visit_at IS NOT NULL THEN 1 ELSE 0 END AS weight
    FROM concern
    WHERE next_visit_at IS NULL OR missed_visit_at IS NOT NULL
)
SELECT
    m.day,
    CAST(
        ROW_NUMBER() OVER (
            ORDER BY l.weight DESC, COALESCE(l.probability_12m, -1) DESC, l.last_fall_at DESC NULLS LAST, l.patient_id
        ) AS INTEGER
    ) AS rank,
    l.patient_key, l.patient_id, l.site_id,
    CASE WHEN l.falls > 0 THEN 'FALL_DETECTED,' ELSE '' END
    || CASE WHEN l.is_high THEN 'HIGH_RISK,' ELSE '' END
    || CASE WHEN l.is_rising THEN 'RISING_RISK,' ELSE '' END
    || CASE
        WHEN l.missed_visit_at IS NULL THEN 'NO_VISIT_AHEAD'
        WHEN l.next_visit_at IS NULL THEN 'MISSED_VISIT,NO_VISIT_AHEAD'
        ELSE 'MISSED_VISIT'
    END AS reasons,
    l.falls, l.last_fall_at, l.risk_status, l.risk_band, l.probability_12m, l.is_rising, l.next_visit_at,
    l.missed_visit_at
FROM listed AS l
CROSS JOIN moment AS m
ORDER BY rank
