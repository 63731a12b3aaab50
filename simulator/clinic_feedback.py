"""What patients say of their visits: ratings that follow from what happened, comments that fit the ratings.

What belongs here: surveys. What does not: visits.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from simulator import clinic_rates as rates
from simulator.appointments import COMPLETED, Visit
from simulator.devices import rng_of

_OPENINGS = {
    5: ("Excellent visit.", "Very happy with everything.", "Could not have been better."),
    4: ("Good visit.", "All went well.", "I was satisfied."),
    3: ("It was all right.", "Neither good nor bad.", "Acceptable."),
    2: ("I was not satisfied.", "It could have been much better.", "Rather disappointing."),
    1: ("Very bad experience.", "I would not do this again.", "A waste of time."),
}
_OF_PROVIDER = {
    True: ("The doctor listened and explained things clearly.", "I felt taken seriously."),
    False: ("I felt rushed.", "My questions were not answered."),
}
_OF_ISSUE = {
    "Audio Problems": "I could hardly hear the doctor.",
    "Video Problems": "The picture froze again and again.",
    "Connection Lost": "The connection broke down.",
    "Login Issues": "It took me several attempts to log in.",
    "App Crash": "The app closed by itself.",
    "Browser Compatibility": "My browser did not work with it.",
}
_WAITED_MINUTES = 12.0
_OF_WAIT = "I had to wait too long."
_OF_NO_WAIT = "It began on time."


@dataclass(frozen=True)
class Answer:
    """One answered survey; a question that was left out is None."""

    feedback_id: str
    visit: Visit
    given_at: datetime
    provider_rating: int | None
    ease_of_use_rating: int | None
    audio_quality_rating: int | None
    video_quality_rating: int | None
    overall_satisfaction: int | None
    would_recommend: bool | None
    comments: str | None

    def as_line(self) -> dict[str, object]:
        """Return the answer as the survey's system writes it."""
        zone = ZoneInfo(self.visit.provider.time_zone)
        return {
            "feedback_id": self.feedback_id,
            "appointment_id": self.visit.appointment_id,
            "patient_id": self.visit.visitor.clinic_id,
            "provider_id": self.visit.provider.provider_id,
            "feedback_date": self.given_at.astimezone(zone).date().isoformat(),
            "provider_rating": self.provider_rating,
            "ease_of_use_rating": self.ease_of_use_rating,
            "audio_quality_rating": self.audio_quality_rating,
            "video_quality_rating": self.video_quality_rating,
            "overall_satisfaction": self.overall_satisfaction,
            "would_recommend": self.would_recommend,
            "comments": self.comments,
            "timestamp": self.given_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def answers_of(visit: Visit, seed: int) -> list[Answer]:
    """Return what the patient of a visit answered: nothing, once, or twice."""
    if visit.status != COMPLETED or visit.ended_at is None:
        return []
    rng = rng_of(seed, "feedback", visit.appointment_id)
    if rng.uniform() >= rates.ANSWERED:
        return []
    count = 1 + int(rng.uniform() < rates.ANSWERED_TWICE)
    return [_answer(visit, number, rng) for number in range(count)]


def _answer(visit: Visit, number: int, rng: np.random.Generator) -> Answer:
    assert visit.ended_at is not None
    wait = visit.wait_minutes or 0.0
    unresolved = sum(not issue.resolved for issue in visit.issues)
    mood = 4.45 + visit.provider.quality + float(rng.normal(0.0, 0.55))
    mood -= 0.7 * bool(visit.issues) + 0.7 * unresolved + 0.03 * max(wait - _WAITED_MINUTES, 0.0)
    overall = _rating(mood)
    named = {issue.type for issue in visit.issues}
    by_video = visit.mode == "Video/Online"
    provider = _rating(4.5 + visit.provider.quality + float(rng.normal(0.0, 0.5)))
    usable = _rating(mood - 1.0 * bool(named & {"Login Issues", "App Crash", "Browser Compatibility"}))
    sound = _rating(4.6 + float(rng.normal(0.0, 0.4)) - 2.0 * bool(named & {"Audio Problems"}))
    picture = _rating(4.5 + float(rng.normal(0.0, 0.4)) - 2.0 * bool(named & {"Video Problems"}))
    return Answer(
        f"FB-{visit.appointment_id}-{number + 1}",
        visit,
        visit.ended_at + timedelta(seconds=int(rng.exponential(6 * 3600)) + 120),
        _left_out(provider, rng),
        _left_out(usable, rng),
        _left_out(sound, rng) if by_video or visit.mode == "Telephone" else None,
        _left_out(picture, rng) if by_video else None,
        overall,
        bool(overall >= 4 or (overall == 3 and rng.uniform() < 0.4)),
        _comment(visit, overall, provider, wait, rng) if rng.uniform() < rates.COMMENTED else None,
    )


def _rating(value: float) -> int:
    return int(np.clip(round(value), 1, 5))


def _left_out(rating: int, rng: np.random.Generator) -> int | None:
    return None if rng.uniform() < 0.06 else rating


def _comment(visit: Visit, overall: int, provider: int, wait: float, rng: np.random.Generator) -> str:
    said = [str(rng.choice(_OPENINGS[overall]))]
    if provider >= 4 and overall >= 3:
        said.append(str(rng.choice(_OF_PROVIDER[True])))
    elif provider <= 2:
        said.append(str(rng.choice(_OF_PROVIDER[False])))
    said += [_OF_ISSUE[issue.type] for issue in visit.issues[:1]]
    if wait > _WAITED_MINUTES and overall <= 4:
        said.append(_OF_WAIT)
    elif wait < 3.0 and overall >= 4 and rng.uniform() < 0.3:
        said.append(_OF_NO_WAIT)
    return " ".join(said)
