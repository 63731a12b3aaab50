-- Figures of whole days that late data have changed, with what they were before.
CREATE OR REPLACE VIEW v_kpi_restatement AS
SELECT
    n.day, n.kpi, k.title, k.unit, n.version - 1 AS restatement, b.value AS value_before, n.value,
    b.numerator AS numerator_before, n.numerator, b.denominator AS denominator_before, n.denominator,
    b.known_at AS known_since, n.known_at AS restated_at, CAST(n.known_at AS DATE) AS restated_on, n.run_id
FROM kpi_versions AS n
INNER JOIN kpi_versions AS b ON b.day = n.day AND b.kpi = n.kpi AND b.version = n.version - 1
LEFT JOIN dim_kpi AS k ON k.kpi = n.kpi;
