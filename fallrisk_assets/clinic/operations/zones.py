"""States of the US that keep one time, and so tell a clock.

Here: the facts (49 CFR part 71; of the states that are not here the name tells no clock). Not here: whose
clock counts (`lines.py`, `providers.py`).
"""

_STATES = {
    "America/New_York": {
        "CT": "Connecticut",
        "DC": "District of Columbia",
        "DE": "Delaware",
        "GA": "Georgia",
        "MA": "Massachusetts",
        "MD": "Maryland",
        "ME": "Maine",
        "NC": "North Carolina",
        "NH": "New Hampshire",
        "NJ": "New Jersey",
        "NY": "New York",
        "OH": "Ohio",
        "PA": "Pennsylvania",
        "RI": "Rhode Island",
        "SC": "South Carolina",
        "VA": "Virginia",
        "VT": "Vermont",
        "WV": "West Virginia",
    },
    "America/Chicago": {
        "AL": "Alabama",
        "AR": "Arkansas",
        "IA": "Iowa",
        "IL": "Illinois",
        "LA": "Louisiana",
        "MN": "Minnesota",
        "MO": "Missouri",
        "MS": "Mississippi",
        "OK": "Oklahoma",
        "WI": "Wisconsin",
    },
    "America/Denver": {"CO": "Colorado", "MT": "Montana", "NM": "New Mexico", "UT": "Utah", "WY": "Wyoming"},
    "America/Phoenix": {"AZ": "Arizona"},
    "America/Los_Angeles": {"CA": "California", "WA": "Washington"},
    "Pacific/Honolulu": {"HI": "Hawaii"},
}
STATE_ZONES = {state: zone for zone, states in _STATES.items() for state in states}
"""IANA zone by postal abbreviation."""
STATE_NAMES = {state: name for states in _STATES.values() for state, name in states.items()}
"""Name by postal abbreviation."""
