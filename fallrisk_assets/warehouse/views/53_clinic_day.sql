-- The days that the clinic's log tells of: from its first visit to its newest receipt, whose day may go on.
CREATE OR REPLACE VIEW v_clinic_day AS
SELECT
    c.date AS day, c.date_id, c.iso_year, c.iso_week, c.is_weekend, c.is_holiday, told.first_day,
    told.as_of, c.date < CAST(told.as_of AS DATE) AS is_final
FROM dim_date AS c
INNER JOIN (
    SELECT MIN(scheduled_date) AS first_day, MAX(as_of) AS as_of FROM fact_appointment WHERE refusal IS NULL
) AS told
    ON c.date >= told.first_day AND c.date <= CAST(told.as_of AS DATE);
