-- Each provider's day of the revenue estimates with the specialty of that day. Amounts are decimals: a sum of them is
-- the same in whatever order they are added. An amount is null where nothing of the day could be estimated;
-- booked_estimate is what was delivered and what was lost, of whichever is known.
CREATE OR REPLACE VIEW v_revenue AS
SELECT
    m.day, m.provider_id, p.specialty, m.completed, m.no_shows,
    CAST(m.delivered_estimate AS DECIMAL(18, 4)) AS delivered_estimate,
    CAST(m.lost_estimate AS DECIMAL(18, 4)) AS lost_estimate,
    CASE
        WHEN m.delivered_estimate IS NOT NULL OR m.lost_estimate IS NOT NULL
            THEN CAST(COALESCE(m.delivered_estimate, 0) AS DECIMAL(18, 4))
                + CAST(COALESCE(m.lost_estimate, 0) AS DECIMAL(18, 4))
    END AS booked_estimate,
    m.visits_without_estimate, m.is_estimate
FROM mart_revenue AS m
LEFT JOIN dim_provider AS p
    ON p.provider_id = m.provider_id
    AND CAST(p.valid_from AS DATE) <= m.day
    AND (p.valid_to IS NULL OR m.day < CAST(p.valid_to AS DATE));
