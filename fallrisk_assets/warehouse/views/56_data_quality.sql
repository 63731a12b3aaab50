-- Rows of mart_data_quality under one name for a table and its checks: the table's, without its namespace.
CREATE OR REPLACE VIEW v_data_quality AS
SELECT
    day, kind, table_name, regexp_replace(table_name, '^[^.]*[.]', '') AS about, name, outcome, severity, rows,
    expected_samples, partitions, expected_partitions, detail
FROM mart_data_quality;
