-- Each day's index with the patient as he was on that day.
CREATE OR REPLACE VIEW v_risk_score AS
SELECT
    f.day, f.date_id, f.patient_key, d.patient_version_key, d.patient_id, f.wearable_patient_id,
    d.site_id, d.age_group, d.gender, f.status, f.reason, f.probability_12m, f.lower_12m, f.upper_12m,
    f.band, f.confidence, f.model_version
FROM fact_risk_score AS f
LEFT JOIN dim_patient AS d
    ON d.patient_key = f.patient_key
    AND d.valid_from <= f.event_at
    AND (d.valid_to IS NULL OR f.event_at < d.valid_to);
