-- Each answer once, with the visit that it is about and the patient as he was when it was given.
CREATE OR REPLACE VIEW v_feedback AS
SELECT
    f.feedback_id, f.received_on, f.date_id, f.event_at, f.feedback_date, f.appointment_key, f.appointment_id,
    f.patient_key, d.patient_version_key, f.patient_id, d.site_id, d.age_group,
    a.provider_key, a.provider_id, a.specialty, a.mode, a.had_technical_issue, a.issue_type,
    f.provider_rating, f.ease_of_use_rating, f.audio_quality_rating, f.video_quality_rating,
    f.overall_satisfaction, f.would_recommend, f.has_comment
FROM v_answer AS f
LEFT JOIN v_appointment AS a ON a.appointment_key = f.appointment_key
LEFT JOIN dim_patient AS d
    ON d.patient_key = f.patient_key
    AND d.valid_from <= f.event_at
    AND (d.valid_to IS NULL OR f.event_at < d.valid_to);
