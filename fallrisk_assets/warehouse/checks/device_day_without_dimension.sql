-- Worn device-days of a day whose device, wearer or day is in no dimension as of the begin of that wear. The
-- device's version must name the same wearer. A device that nobody wears needs no dimension.
SELECT f.device_id AS member, f.event_at
FROM fact_device_day AS f
WHERE f.day = ?
    AND (
        (
            f.wearable_patient_id <> ''
            AND (
                NOT EXISTS (
                    SELECT 1 FROM dim_device AS v
                    WHERE v.device_key = f.device_key
                        AND v.wearable_patient_id = f.wearable_patient_id
                        AND v.valid_from <= f.event_at
                        AND (v.valid_to IS NULL OR f.event_at < v.valid_to)
                )
                OR NOT EXISTS (
                    SELECT 1 FROM dim_patient AS d
                    WHERE d.patient_key = f.patient_key
                        AND d.valid_from <= f.event_at
                        AND (d.valid_to IS NULL OR f.event_at < d.valid_to)
                )
            )
        )
        OR NOT EXISTS (SELECT 1 FROM dim_date AS c WHERE c.date_id = f.date_id)
    )
ORDER BY member
