-- The cohort of a site on a day. Denominators: bands and the mean over patients with a score; wear over wearers
-- whose wear is known. A site without a measurement shows null, not 0; a site without alerts shows 0 once the
-- day's alerts have been published, and null before. Weekend and holiday from dim_date.
CREATE OR REPLACE VIEW v_cohort_day AS
WITH scores AS (
    SELECT
        day, date_id, site_id,
        COUNT(*) AS patients,
        SUM(CASE WHEN status = 'SCORED' THEN 1 ELSE 0 END) AS scored,
        SUM(CASE WHEN status = 'SCORED' THEN 0 ELSE 1 END) AS not_scored,
        SUM(CASE WHEN status = 'SCORED' AND band = 'high' THEN 1 ELSE 0 END) AS high_risk,
        SUM(CASE WHEN status = 'SCORED' AND band = 'medium' THEN 1 ELSE 0 END) AS medium_risk,
        SUM(CASE WHEN status = 'SCORED' AND band = 'low' THEN 1 ELSE 0 END) AS low_risk,
        AVG(CASE WHEN status = 'SCORED' THEN probability_12m END) AS mean_probability_12m
    FROM v_risk_score
    GROUP BY day, date_id, site_id
),
wearers AS (
    SELECT day, site_id, patient_key, SUM(wear_hours) AS wear_hours, SUM(clean_samples) AS clean_samples,
        SUM(expected_samples) AS expected_samples
    FROM v_device_day
    WHERE patient_key IS NOT NULL
    GROUP BY day, site_id, patient_key
),
wear AS (
    SELECT
        day, site_id,
        COUNT(*) AS wearers,
        COUNT(wear_hours) AS wearers_measured,
        AVG(wear_hours) AS mean_wear_hours,
        CAST(SUM(clean_samples) AS DOUBLE PRECISION) / NULLIF(SUM(expected_samples), 0) AS completeness
    FROM wearers
    GROUP BY day, site_id
),
alerts AS (
    SELECT
        f.day, d.site_id,
        COUNT(*) AS alerts,
        SUM(CASE WHEN f.severity = 'critical' THEN 1 ELSE 0 END) AS critical_alerts,
        SUM(CASE WHEN f.closed_at IS NULL THEN 1 ELSE 0 END) AS open_alerts
    FROM fact_alert AS f
    INNER JOIN dim_patient AS d
        ON d.patient_key = f.patient_key
        AND d.valid_from <= f.event_at
        AND (d.valid_to IS NULL OR f.event_at < d.valid_to)
    GROUP BY f.day, d.site_id
),
days AS (
    SELECT day, site_id FROM scores
    UNION
    SELECT day, site_id FROM wear
    UNION
    SELECT day, site_id FROM alerts
)
SELECT
    days.day, days.site_id, c.is_weekend, c.is_holiday,
    s.patients, s.scored, s.not_scored, s.high_risk, s.medium_risk, s.low_risk, s.mean_probability_12m,
    w.wearers, w.wearers_measured, w.mean_wear_hours, w.completeness,
    CASE WHEN p.partition_key IS NOT NULL THEN COALESCE(a.alerts, 0) END AS alerts,
    CASE WHEN p.partition_key IS NOT NULL THEN COALESCE(a.critical_alerts, 0) END AS critical_alerts,
    CASE WHEN p.partition_key IS NOT NULL THEN COALESCE(a.open_alerts, 0) END AS open_alerts
FROM days
LEFT JOIN partition_ledger AS p
    ON p.table_name = 'warehouse.fact_alert' AND p.partition_key = CAST(days.day AS VARCHAR)
LEFT JOIN dim_date AS c ON c.date = days.day
LEFT JOIN scores AS s ON s.day = days.day AND COALESCE(s.site_id, '') = COALESCE(days.site_id, '')
LEFT JOIN wear AS w ON w.day = days.day AND COALESCE(w.site_id, '') = COALESCE(days.site_id, '')
LEFT JOIN alerts AS a ON a.day = days.day AND COALESCE(a.site_id, '') = COALESCE(days.site_id, '');
