"""A labelled CSV of comments, as people make them in spreadsheets.

Here: the columns and their other spellings, labels, and what becomes of each line. Not here: dates in two
orders (`dates.py`), the split (`labelled.py`).

Comments have line breaks inside their quotes, so a record may span lines, other than in the clinic's own
files. A date that nobody can read costs no comment: it is flagged.
"""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fallrisk_assets.clinic.feedback_text.dates import read_date
from fallrisk_assets.clinic.feedback_text.labelled import Labelled
from fallrisk_assets.clinic.feedback_text.vocabulary import NEGATIVE, NEUTRAL, POSITIVE, SENTIMENTS, TOPICS

_COLUMNS = {
    "comment": "comment comments text feedback review patient_feedback",
    "sentiment": "sentiment sentiment_label label",
    "topics": "topics topic category categories",
    "date": "date review_date feedback_date written_on",
    "person": "person patient patient_id person_id author",
    "rating": "rating ratings stars overall_satisfaction",
}
COLUMN_NAMES = {other: name for name, others in _COLUMNS.items() for other in others.split()}
"""Meaning of a column by its spelling, in lower case with underscores."""
_WORDS = {
    NEGATIVE: "negative neg",
    NEUTRAL: "neutral neu mixed",
    POSITIVE: "positive pos",
}
_SENTIMENT_WORDS = {other: name for name, others in _WORDS.items() for other in others.split()}
_NUMBERS: dict[frozenset[str], Mapping[str, str]] = {
    frozenset({"0", "1"}): {"0": NEGATIVE, "1": POSITIVE},
    frozenset({"-1", "1"}): {"-1": NEGATIVE, "1": POSITIVE},
    frozenset({"-1", "0", "1"}): {"-1": NEGATIVE, "0": NEUTRAL, "1": POSITIVE},
}
"""What numbers mean, by all the numbers of a file: 0 is negative beside 1, and neutral beside -1 and 1."""
_BREAKS = (";", "|")
_LONGEST_COMMENT = 20_000

FILE_UNREADABLE = "FILE_UNREADABLE"
COLUMN_MISSING = "COLUMN_MISSING"
FIELD_COUNT_WRONG = "FIELD_COUNT_WRONG"
COMMENT_MISSING = "COMMENT_MISSING"
LABEL_MISSING = "LABEL_MISSING"
SENTIMENT_UNKNOWN = "SENTIMENT_UNKNOWN"
TOPIC_UNKNOWN = "TOPIC_UNKNOWN"
RATING_INVALID = "RATING_INVALID"
WHAT_TO_DO = {
    FILE_UNREADABLE: "not a CSV in UTF-8 with a header; save it as such",
    COLUMN_MISSING: "a comment column, and a sentiment or a topics column, each once, are needed",
    FIELD_COUNT_WRONG: "not as many fields as the header has; mend the line's commas and quotes",
    COMMENT_MISSING: f"the comment is empty, or longer than {_LONGEST_COMMENT} characters",
    LABEL_MISSING: "neither a sentiment nor topics; label the comment",
    SENTIMENT_UNKNOWN: f"the sentiment is none of {', '.join(SENTIMENTS)}",
    TOPIC_UNKNOWN: f"a topic is none of {', '.join(TOPICS)}; write none for no topic",
    RATING_INVALID: "the rating is no whole number from 1 to 5; leave it empty where there is none",
}
"""Reasons for which a line is left out, and the way out."""


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """What a labelled CSV holds.

    Attributes:
        comments: The usable ones, in the order of the file.
        left_out: Line, the header being 1 (0: the whole file), and reason of each other record.
        received: Records besides the header; comments and left_out are as many.
        sha256: Of the file.
    """

    comments: list[Labelled]
    left_out: list[tuple[int, str]]
    received: int
    sha256: str


class _LeftOut(ValueError):
    """A record that cannot be used; says the reason."""


def read_labelled_file(data: bytes) -> LabelledFile:
    """Read a labelled CSV: a comment and its sentiment, its topics or both; date, person and rating if known.

    A sentiment is a word, or a number where all numbers of the file tell what they mean. Several topics stand
    in one cell with `;` or `|` between; `none` is the answer that there is none.

    Args:
        data: the file as received.
    """
    digest = hashlib.sha256(data).hexdigest()
    try:
        reader = csv.reader(io.StringIO(data.removeprefix(b"\xef\xbb\xbf").decode(), newline=""), strict=True)
        header = next(reader, [])
        records = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except (UnicodeDecodeError, csv.Error):
        return LabelledFile([], [(0, FILE_UNREADABLE)], 1, digest)
    names = [COLUMN_NAMES.get("_".join(cell.strip().lower().split()), "") for cell in header]
    known = [name for name in names if name]
    if "comment" not in known or not {"sentiment", "topics"} & set(known) or len(set(known)) < len(known):
        return LabelledFile([], [(0, COLUMN_MISSING)], 1, digest)
    rows = [(line, cells, dict(zip(names, cells, strict=False))) for line, cells in records]
    numbers = _meaning_of_numbers([row.get("sentiment", "").strip() for _, _, row in rows])
    comments: list[Labelled] = []
    left_out: list[tuple[int, str]] = []
    for line, cells, row in rows:
        try:
            if len(cells) != len(names):
                raise _LeftOut(FIELD_COUNT_WRONG)
            comments.append(_comment(line, row, numbers))
        except _LeftOut as refused:
            left_out.append((line, str(refused)))
    return LabelledFile(comments, left_out, len(rows), digest)


def _meaning_of_numbers(cells: Sequence[str]) -> Mapping[str, str]:
    found = frozenset(str(int(cell)) for cell in cells if cell.lstrip("+-").isdecimal())
    return _NUMBERS.get(found, {})


def _comment(line: int, row: Mapping[str, str], numbers: Mapping[str, str]) -> Labelled:
    text = row["comment"].strip()
    if not text or len(text) > _LONGEST_COMMENT:
        raise _LeftOut(COMMENT_MISSING)
    sentiment, topics = _sentiment(row.get("sentiment", ""), numbers), _topics(row.get("topics", ""))
    if sentiment is None and topics is None:
        raise _LeftOut(LABEL_MISSING)
    found = read_date(row.get("date", ""))
    return Labelled(
        f"line {line:07d}",
        text,
        row.get("person", "").strip() or None,
        sentiment,
        topics,
        _rating(row.get("rating", "").strip()),
        found.day,
        found.flag,
    )


def _sentiment(cell: str, numbers: Mapping[str, str]) -> str | None:
    word = cell.strip().lower()
    if not word:
        return None
    number = str(int(word)) if word.lstrip("+-").isdecimal() else word
    found = _SENTIMENT_WORDS.get(word) or numbers.get(number)
    if found is None:
        raise _LeftOut(SENTIMENT_UNKNOWN)
    return found


def _topics(cell: str) -> frozenset[str] | None:
    for other in _BREAKS[1:]:
        cell = cell.replace(other, _BREAKS[0])
    words = ["_".join(word.strip().lower().split()) for word in cell.split(_BREAKS[0]) if word.strip()]
    if not words:
        return None
    found = frozenset(words) - {"none"}
    if found - set(TOPICS) or (found and "none" in words):
        raise _LeftOut(TOPIC_UNKNOWN)
    return found


def _rating(cell: str) -> int | None:
    if not cell:
        return None
    if cell not in {"1", "2", "3", "4", "5"}:
        raise _LeftOut(RATING_INVALID)
    return int(cell)
