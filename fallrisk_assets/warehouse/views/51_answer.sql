-- Each answer once: of several contents under one id, the one given last, and of these the one received last.
CREATE OR REPLACE VIEW v_answer AS
SELECT
    a.feedback_id, a.day AS received_on, a.date_id, a.event_at, a.feedback_date, a.appointment_key, a.appointment_id,
    a.patient_key, a.patient_id, a.provider_rating, a.ease_of_use_rating, a.audio_quality_rating,
    a.video_quality_rating, a.overall_satisfaction, a.would_recommend, a.has_comment
FROM (
    SELECT
        fact_feedback.*,
        ROW_NUMBER() OVER (
            PARTITION BY feedback_id ORDER BY event_at DESC, day DESC, content_hash DESC
        ) AS place
    FROM fact_feedback
) AS a
WHERE a.place = 1;
