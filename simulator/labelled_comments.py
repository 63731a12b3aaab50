"""Comments of patients with the topics and the sentiment that they were made to have.

What belongs here: sentences by topic and tone, and comments put together from them. What does not: surveys
after simulated visits (`clinic_feedback.py`), whose sentences are others on purpose.

Sentences are dealt into two heaps; a comment takes all of its sentences from one. Who learns from one heap is
judged on wording that was never seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from simulator.devices import rng_of
from simulator.truth import csv_text

NEGATIVE, NEUTRAL, POSITIVE = "negative", "neutral", "positive"
COLUMNS = ("person", "date", "comment", "sentiment", "topics", "rating")

_DOCTOR = ("the doctor", "the nurse", "the physician", "the therapist", "my doctor", "the assistant")
_SENTENCES: dict[tuple[str, str], tuple[str, ...]] = {
    ("staff", POSITIVE): (
        "{who} listened to me patiently",
        "{who} was kind and friendly",
        "{who} explained everything clearly",
        "{who} took the time to answer my questions",
        "I felt taken seriously by {who}",
        "{who} was very professional and polite",
        "{who} listened carefully and was respectful",
        "the staff were friendly and helpful",
        "{who} was caring and explained things well",
        "{who} answered all my questions clearly",
        "very polite and caring staff",
        "I felt understood and {who} was kind",
    ),
    ("staff", NEGATIVE): (
        "{who} was rude to me",
        "{who} did not listen",
        "I felt rushed by {who}",
        "{who} did not answer my questions",
        "{who} was impatient and unfriendly",
        "my questions were not taken seriously",
        "{who} did not explain anything",
        "the staff were rude and not helpful",
        "{who} was in a hurry and I felt rushed",
        "nobody listened to me or answered my questions",
        "{who} was not polite",
        "{who} did not take the time to explain it to me",
    ),
    ("waiting", POSITIVE): (
        "it began on time",
        "I did not have to wait",
        "the visit started punctually",
        "no waiting at all",
        "{who} was right on time",
        "the waiting time was short",
        "we started on time without a wait",
        "I hardly had to wait",
        "it started on the minute",
        "a short wait only and {who} was punctual",
    ),
    ("waiting", NEGATIVE): (
        "I had to wait too long",
        "it started very late",
        "the waiting time was far too long",
        "I waited for ages in the waiting room",
        "{who} was late again",
        "we began half an hour late",
        "a very long wait before it started",
        "I was kept waiting too long",
        "{who} came late and I had to wait",
        "waited and waited and nobody came on time",
    ),
    ("sound_and_picture", POSITIVE): (
        "the picture was clear",
        "the sound was clear the whole time",
        "I could hear and see {who} very well",
        "the video quality was excellent",
        "audio and video worked well",
        "good picture and good sound",
        "the sound quality was very good",
        "I could see and hear everything clearly",
        "the video was sharp and clear",
        "the audio was good",
    ),
    ("sound_and_picture", NEGATIVE): (
        "I could hardly hear {who}",
        "the picture froze",
        "the video kept freezing",
        "the sound was bad",
        "there was an echo and the audio was poor",
        "I could not see {who} because the picture was black",
        "the sound kept cutting out",
        "the picture froze again and again and I could not hear",
        "poor video and bad sound",
        "no picture and I could hardly hear a word",
        "the audio was out of step with the video",
    ),
    ("connection_and_access", POSITIVE): (
        "logging in was easy",
        "the app was easy to use",
        "the connection was stable",
        "it was simple to connect",
        "the link worked at once",
        "I could log in without any problems",
        "the app worked without problems",
        "a stable connection from the start",
        "connecting was simple and the app is easy",
        "easy to log in with my browser",
    ),
    ("connection_and_access", NEGATIVE): (
        "the connection broke down",
        "I could not log in",
        "the app crashed",
        "the link did not work",
        "my browser was not supported",
        "it took several attempts to log in",
        "the connection was lost in the middle",
        "the app closed by itself and I had to log in again",
        "my browser did not work with the link",
        "we were cut off because the connection was lost",
        "the app kept crashing and I could not connect",
    ),
    ("booking", POSITIVE): (
        "booking the appointment was easy",
        "I got an appointment quickly",
        "it was simple to move my appointment",
        "I was offered an appointment the next day",
        "easy to book online",
        "the reminder for my appointment was useful",
        "I could book an appointment within minutes",
        "a quick appointment and simple booking",
        "moving the appointment to another day was easy",
        "the booking worked and the reminder came",
    ),
    ("booking", NEGATIVE): (
        "it took weeks to get an appointment",
        "my appointment was cancelled without notice",
        "booking online did not work",
        "nobody answers the phone to book an appointment",
        "my appointment was moved twice",
        "the booking was wrong and there was no reminder",
        "there was no appointment for weeks",
        "I was not told that the appointment was cancelled",
        "it is too hard to book an appointment by phone",
        "they moved my booking to another day without asking",
    ),
    ("treatment", POSITIVE): (
        "the treatment helped me",
        "the new medicine works well",
        "I feel much better now",
        "the diagnosis was right",
        "the exercises help against my pain",
        "my pain is gone since the treatment",
        "the advice on my medicine was good",
        "the treatment worked and I feel better",
        "with the new tablets my pain is better",
        "the diagnosis was clear and the exercises help",
    ),
    ("treatment", NEGATIVE): (
        "the treatment did not help",
        "I still have the same pain",
        "the medicine gave me side effects",
        "the diagnosis was wrong",
        "I was given the wrong tablets",
        "my pain is worse than before",
        "I feel worse since the new medicine",
        "no diagnosis and no treatment",
        "the exercises did not help against the pain",
        "the tablets do not work and I still feel bad",
    ),
}
_OPENINGS: dict[str, tuple[str, ...]] = {
    POSITIVE: (
        "excellent visit",
        "I am very happy",
        "very good experience",
        "all went well",
        "I was satisfied",
        "great service",
        "I would do this again",
        "thank you very much",
        "very happy with the visit",
        "a good and helpful service",
    ),
    NEUTRAL: (
        "it was all right",
        "neither good nor bad",
        "acceptable",
        "it was an ordinary visit",
        "as expected",
        "nothing special to say",
        "it was okay",
        "average I would say",
        "an ordinary visit and okay",
        "not bad and not good",
    ),
    NEGATIVE: (
        "very bad experience",
        "I was not satisfied",
        "a waste of time",
        "I am disappointed",
        "I would not do this again",
        "terrible service",
        "very unhappy with the visit",
        "it was bad",
        "not a good experience at all",
        "rather disappointing service",
    ),
}
_THINGS: dict[str, tuple[str, ...]] = {
    "staff": ("the doctor", "the nurse", "the staff", "the explanation", "the receptionist", "the advice"),
    "waiting": ("the wait", "the waiting time", "the waiting room", "the delay at the start"),
    "sound_and_picture": ("the sound", "the picture", "the video", "the audio", "the camera"),
    "connection_and_access": ("the connection", "the app", "the login", "the link", "the website"),
    "booking": ("the booking", "the reminder", "getting an appointment", "the appointment system"),
    "treatment": ("the treatment", "the medicine", "the diagnosis", "the exercises", "the therapy"),
    "": ("the visit", "everything", "the service", "my experience", "the whole thing", "it"),
}
"""What a comment speaks of, by topic; without one: the whole visit."""
_ADJECTIVES: dict[str, tuple[str, ...]] = {
    POSITIVE: (
        "good",
        "great",
        "excellent",
        "fine",
        "helpful",
        "pleasant",
        "perfect",
        "wonderful",
        "fantastic",
        "brilliant",
    ),
    NEUTRAL: ("okay", "ordinary", "average", "all right", "acceptable", "neither good nor bad"),
    NEGATIVE: (
        "bad",
        "poor",
        "terrible",
        "awful",
        "useless",
        "frustrating",
        "annoying",
        "horrible",
        "disappointing",
    ),
}
_DEGREES = ("", "", "very ", "really ", "so ")
_COMPOSED = 0.6
"""Share of sentences that are put together from a thing and an adjective: what is held out is the pair."""
_OF_TONE = {POSITIVE: 1, NEUTRAL: 0, NEGATIVE: -1}
_OPPOSITE = {POSITIVE: NEGATIVE, NEGATIVE: POSITIVE}
_HELD_OUT_SHARE = 0.3


@dataclass(frozen=True)
class LabelledComment:
    """A comment and what it was made to say; `unseen` tells the heap of its sentences."""

    person: str
    text: str
    sentiment: str
    topics: tuple[str, ...]
    rating: int
    unseen: bool


def draw_comments(count: int, people: int, seed: int) -> list[LabelledComment]:
    """Draw comments; a rating follows the sentiment only loosely, as real ones do.

    Args:
        count: how many.
        people: how many people write them.
        seed: decides everything random.
    """
    found = []
    for number in range(count):
        rng = rng_of(seed, "labelled comment", number)
        unseen = bool(rng.uniform() < _HELD_OUT_SHARE)
        said, tones, topics = _sentences(unseen, rng)
        total = sum(tones)
        sentiment = POSITIVE if total == len(tones) else NEGATIVE if -total == len(tones) else NEUTRAL
        rating = int(np.clip(round(3.6 + 0.9 * total / len(tones) + float(rng.normal(0.0, 0.9))), 1, 5))
        person = f"person-{int(rng.integers(people)) + 1}"
        found.append(
            LabelledComment(person, _written(said, rng), sentiment, tuple(sorted(topics)), rating, unseen)
        )
    return found


def _sentences(unseen: bool, rng: np.random.Generator) -> tuple[list[str], list[int], set[str]]:
    topics = sorted({topic for topic, _ in _SENTENCES})
    chosen = [topics[int(at)] for at in rng.permutation(len(topics))[: int(rng.integers(1, 4))]]
    mood = [POSITIVE, NEGATIVE, NEUTRAL][int(rng.choice(3, p=[0.45, 0.35, 0.2]))]
    said, tones = [], []
    if rng.uniform() < 0.6 or mood == NEUTRAL:
        said.append(_pick("", mood, unseen, rng))
        tones.append(_OF_TONE[mood])
    if mood == NEUTRAL and rng.uniform() < 0.25:
        return said, tones, set()
    for number, topic in enumerate(chosen):
        tone = mood if mood != NEUTRAL else (POSITIVE, NEGATIVE)[(number + int(rng.integers(2))) % 2]
        said.append(_pick(topic, tone, unseen, rng))
        tones.append(_OF_TONE[tone])
    return said, tones, set(chosen)


def _pick(topic: str, tone: str, unseen: bool, rng: np.random.Generator) -> str:
    """Return a sentence of one heap: a fixed one, or a thing with an adjective, negated or not."""
    if rng.uniform() >= _COMPOSED:
        sentences = _SENTENCES[topic, tone] if topic else _OPENINGS[tone]
        heap = [s for at, s in enumerate(sentences) if (at % 10 in (2, 6, 9)) == unseen]
        return heap[int(rng.integers(len(heap)))].format(who=_DOCTOR[int(rng.integers(len(_DOCTOR)))])
    negated = tone != NEUTRAL and rng.uniform() < 0.25
    adjectives = _ADJECTIVES[_OPPOSITE[tone] if negated else tone]
    pairs = [
        (thing, adjective)
        for at, thing in enumerate(_THINGS[topic])
        for number, adjective in enumerate(adjectives)
        if ((at + number) % 3 == 0) == unseen
    ]
    thing, adjective = pairs[int(rng.integers(len(pairs)))]
    if negated:
        return f"{thing} was not {adjective}"
    degree = _DEGREES[int(rng.integers(len(_DEGREES)))] if tone != NEUTRAL else ""
    return f"{thing} was {degree}{adjective}"


def _written(said: Sequence[str], rng: np.random.Generator) -> str:
    joined = [" ", " "] if rng.uniform() < 0.85 else [" and ", " but "]
    text = said[0]
    for sentence in said[1:]:
        text += (". " if joined[0] == " " else joined[int(rng.integers(2))]) + sentence
    if rng.uniform() < 0.2:
        return text.replace(". ", ", ")
    return ". ".join(piece[0].upper() + piece[1:] for piece in text.split(". ")) + "."


def labelled_csv(comments: Sequence[LabelledComment], start: date, seed: int) -> str:
    """Return comments as a labelled CSV whose dates stand as d/m/y here and as m/d/y there."""
    rows = []
    for number, comment in enumerate(comments):
        rng = rng_of(seed, "labelled date", number)
        day = start + timedelta(days=int(rng.integers(365)))
        written = day.strftime("%d/%m/%Y" if rng.uniform() < 0.5 else "%m/%d/%Y")
        topics = ";".join(comment.topics)
        rows.append((comment.person, written, comment.text, comment.sentiment, topics, comment.rating))
    return csv_text(COLUMNS, rows)
