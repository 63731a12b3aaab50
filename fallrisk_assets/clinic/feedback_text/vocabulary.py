"""The words of feedback: which topics there are, which sentiments, and what a model was trained on.

Here: closed vocabularies. Not here: tables (`contract.py`).

A sentiment is what the words say; a rating is what the patient ticked. They agree only in part (81 % to 89 %
on comments of the English National Health Service's site in 2010, by yes-or-no questions: Greaves et al.,
J Med Internet Res 2013;15(11):e239), so neither is ever made from the other, and no table holds both.
"""

NEGATIVE, NEUTRAL, POSITIVE = "negative", "neutral", "positive"
SENTIMENTS = (NEGATIVE, NEUTRAL, POSITIVE)
"""Neutral is neither, or both at once."""

STAFF = "staff"
WAITING = "waiting"
SOUND_AND_PICTURE = "sound_and_picture"
CONNECTION_AND_ACCESS = "connection_and_access"
BOOKING = "booking"
TREATMENT = "treatment"
TOPICS = (STAFF, WAITING, SOUND_AND_PICTURE, CONNECTION_AND_ACCESS, BOOKING, TREATMENT)
"""Staff: manner and explanations. Waiting: on the day. Booking: getting an appointment and moving it.
Treatment: diagnosis, medicines, outcome. The two in between: the session's technology."""

SIMULATED, SUPPLIED = "simulated", "supplied"
SOURCES = (SIMULATED, SUPPLIED)
"""Whence labelled comments are."""

ON_SIMULATED = "trained on simulated text only, not evaluated on real text"
ON_SIMULATED_EVALUATED = "trained on simulated text only, evaluated on a supplied set"
ON_SUPPLIED = "trained on a supplied set of labelled comments"
BASES = (ON_SIMULATED, ON_SIMULATED_EVALUATED, ON_SUPPLIED)
"""What a version was trained on: stands beside everything that it says."""
