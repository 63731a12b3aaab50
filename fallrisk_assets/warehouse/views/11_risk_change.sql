-- Each scored day beside the person's own baseline: the median of the scored days of the same model version in the
-- four weeks that end three days before it, of seven at least (risk/baseline.py); null where there are fewer.
CREATE OR REPLACE VIEW v_risk_change AS
SELECT
    s.day, s.wearable_patient_id, s.site_id, s.age_group, s.band, s.probability_12m, s.model_version,
    b.baseline_days, b.baseline_12m, s.probability_12m - b.baseline_12m AS change_12m
FROM v_risk_score AS s
LEFT JOIN (
    SELECT
        n.wearable_patient_id, n.day, COUNT(*) AS baseline_days,
        PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY e.probability_12m) AS baseline_12m
    FROM fact_risk_score AS n
    INNER JOIN fact_risk_score AS e
        ON e.wearable_patient_id = n.wearable_patient_id
        AND e.model_version = n.model_version
        AND e.status = 'SCORED'
        AND e.day <= n.day - 3
        AND e.day > n.day - 31
    WHERE n.status = 'SCORED'
    GROUP BY n.wearable_patient_id, n.day
    HAVING COUNT(*) >= 7
) AS b ON b.wearable_patient_id = s.wearable_patient_id AND b.day = s.day
WHERE s.status = 'SCORED';
