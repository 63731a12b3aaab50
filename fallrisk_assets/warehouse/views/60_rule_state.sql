-- What each monitoring rule says of each day, with the rule as it is applied: those on the clinic and those on runs.
CREATE OR REPLACE VIEW v_rule_state AS
SELECT
    s.day, s.rule, r.title, r.severity, s.scope, s.state, s.value, s.n, r.looks_at, r.side, r.threshold, r.minimum_n,
    r.window_days
FROM (
    SELECT day, rule, scope, state, value, n FROM rule_states
    UNION ALL
    SELECT day, rule, scope, state, value, n FROM run_rule_states
) AS s
LEFT JOIN dim_monitoring_rule AS r ON r.rule = s.rule;
