-- The list of whom to call by the wearables' pseudonym, for who may not see the clinic's ids; patients as of that day.
CREATE OR REPLACE VIEW v_outreach AS
SELECT
    o.day, o.rank, d.wearable_patient_id, o.site_id, d.age_group, o.reasons, o.falls, o.last_fall_at, o.risk_band,
    o.probability_12m, o.next_visit_at, o.missed_visit_at
FROM mart_outreach AS o
LEFT JOIN dim_patient AS d
    ON d.patient_key = o.patient_key
    AND d.valid_from < CAST(o.day + 1 AS TIMESTAMP) AT TIME ZONE 'UTC'
    AND (d.valid_to IS NULL OR CAST(o.day + 1 AS TIMESTAMP) AT TIME ZONE 'UTC' <= d.valid_to);
