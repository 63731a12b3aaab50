-- Answers of a day about an appointment that nobody knows, or that is another patient's.
SELECT f.feedback_id AS member, f.event_at
FROM fact_feedback AS f
WHERE f.day = ?
    AND NOT EXISTS (
        SELECT 1 FROM fact_appointment AS a
        WHERE a.appointment_key = f.appointment_key AND a.patient_key = f.patient_key
    )
ORDER BY member
