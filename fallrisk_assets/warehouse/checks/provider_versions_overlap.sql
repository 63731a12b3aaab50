-- Versions of a provider that overlap or leave a gap before the next one.
SELECT member, valid_from
FROM (
    SELECT
        provider_id AS member, valid_from, valid_to,
        LEAD(valid_from) OVER (PARTITION BY provider_key ORDER BY valid_from) AS next_from
    FROM dim_provider
) AS versions
WHERE next_from IS NOT NULL AND (valid_to IS NULL OR valid_to <> next_from)
ORDER BY member, valid_from
