-- Worn device-days of a day whose device, wearer or day is in no dimension as of the begin of that wear. The
-- device's version must name the same wearer. A device that nobody wears needs no dimension.
SELECT DISTINCT f.device_id AS member, f.event_at
FROM fact_device_day AS f
LEFT JOIN dim_device AS v
    ON v.device_key = f.device_key
    AND v.wearable_patient_id = f.wearable_patient_id
    AND v.valid_from <= f.event_at
    AND (v.valid_to IS NULL OR f.event_at < v.valid_to)
LEFT JOIN dim_patient AS d
    ON d.patient_key = f.patient_key
    AND d.valid_from <= f.event_at
    AND (d.valid_to IS NULL OR f.event_at < d.valid_to)
LEFT JOIN dim_date AS c ON c.date_id = f.date_id
WHERE f.day = ?
    AND (
        (f.wearable_patient_id <> '' AND (v.device_key IS NULL OR d.patient_key IS NULL))
        OR c.date_id IS NULL
    )
ORDER BY member
