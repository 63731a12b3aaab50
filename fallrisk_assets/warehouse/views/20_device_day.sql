-- Each device-day with the device and its wearer as they were when that wearer's day began.
CREATE OR REPLACE VIEW v_device_day AS
SELECT
    f.day, f.date_id, f.event_at, f.device_key, v.device_version_key, f.device_id,
    f.patient_key, d.patient_version_key, d.patient_id, f.wearable_patient_id, d.site_id, d.age_group,
    d.expected_wear_hours, f.wear_hours, f.hours, f.hours_ok, f.hours_not_worn, f.hours_gappy, f.hours_faulty,
    f.hours_no_data, f.expected_samples, f.received_lines, f.clean_samples, f.duplicate_lines,
    f.quarantined_lines, f.completeness, f.gap_count, f.gap_s, f.battery_lowest, f.battery_last, f.rate_hz,
    f.firmware, f.position, f.is_final
FROM fact_device_day AS f
LEFT JOIN dim_device AS v
    ON v.device_key = f.device_key
    AND v.valid_from <= f.event_at
    AND (v.valid_to IS NULL OR f.event_at < v.valid_to)
LEFT JOIN dim_patient AS d
    ON d.patient_key = f.patient_key
    AND d.valid_from <= f.event_at
    AND (d.valid_to IS NULL OR f.event_at < d.valid_to);
