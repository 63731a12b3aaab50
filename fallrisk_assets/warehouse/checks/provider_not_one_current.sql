-- Providers without exactly one current version.
SELECT provider_id AS member, CAST(SUM(CASE WHEN is_current THEN 1 ELSE 0 END) AS INTEGER) AS current_versions
FROM dim_provider
GROUP BY provider_id
HAVING SUM(CASE WHEN is_current THEN 1 ELSE 0 END) <> 1
    OR SUM(CASE WHEN is_current <> (valid_to IS NULL) THEN 1 ELSE 0 END) > 0
ORDER BY member
