"""What the page of patients' comments shows: how many are about what, in which tone, and what judged them.

Belongs here: counting judged comments by month. Does not belong here: judging them
(`clinic/feedback_text/`), ratings, which are on other pages and are another thing.

No comment, no word of one, no patient and no appointment is read: sums by month only.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fallrisk_assets.clinic.feedback_text.contract import SCORED, FeedbackSentiment, FeedbackTopics
from fallrisk_assets.clinic.feedback_text.vocabulary import ON_SIMULATED, SENTIMENTS, TOPICS
from fallrisk_assets.contract import ContractType
from fallrisk_assets.dashboards.rendering import static, template
from fallrisk_assets.lake import Lake

MONTHS_SHOWN = 13
_COLUMNS = ("received_date", "feedback_id", "status", "model_version", "model_basis")
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Month:
    """Comments received in one month.

    Attributes:
        month: Such as "2026-01".
        comments: Answers with a comment.
        judged: How many of them the model could judge.
        counts: By tone or topic; of topics several can hold, or none.
    """

    month: str
    comments: int
    judged: int
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Judge:
    """A version of a model, what it was trained on, and how many comments it was asked about."""

    version: str
    basis: str
    comments: int

    @property
    def is_unproven(self) -> bool:
        """Whether it never saw a real comment."""
        return self.basis == ON_SIMULATED


@dataclass(frozen=True, slots=True)
class Comments:
    """All that the page shows, months newest first."""

    tones: list[Month]
    topics: list[Month]
    judges: list[Judge]


def read_comments(lake: Lake) -> Comments:
    """Count all judged comments that are published."""
    tones = _published(lake, FeedbackSentiment, (*_COLUMNS, "sentiment"))
    topics = _published(lake, FeedbackTopics, (*_COLUMNS, "topic", "said"))
    return count_comments(tones, topics)


def _published(lake: Lake, model: ContractType, columns: Sequence[str]) -> Rows:
    keys = lake.ledger.keys(model)
    return lake.read(model, keys, columns=list(columns)).to_pylist() if keys else []


def count_comments(tones: Rows, topics: Rows) -> Comments:
    """Count judged comments by month; of an answer that was sent again the newest counts.

    Args:
        tones: `FeedbackSentiment` rows.
        topics: `FeedbackTopics` rows.
    """
    newest_tones = {row["feedback_id"]: row for row in sorted(tones, key=_received)}
    newest_topics = {(row["feedback_id"], row["topic"]): row for row in sorted(topics, key=_received)}
    answers = {one: row for (one, _), row in newest_topics.items()}
    told_tones = [(row, row["sentiment"]) for row in newest_tones.values()]
    told_topics = [(row, row["topic"]) for row in newest_topics.values() if row["said"]]
    judged = Counter(
        (row["model_version"], row["model_basis"]) for row in (*newest_tones.values(), *answers.values())
    )
    return Comments(
        _by_month(list(newest_tones.values()), told_tones, SENTIMENTS),
        _by_month(list(answers.values()), told_topics, TOPICS),
        [Judge(version, basis, n) for (version, basis), n in sorted(judged.items())],
    )


def _received(row: Mapping[str, Any]) -> Any:
    return row["received_date"]


def _by_month(
    answers: Rows, told: Sequence[tuple[Mapping[str, Any], str | None]], classes: Sequence[str]
) -> list[Month]:
    comments = Counter(_month(row) for row in answers)
    judged = Counter(_month(row) for row in answers if row["status"] == SCORED)
    counts = Counter((_month(row), of) for row, of in told)
    return [
        Month(month, comments[month], judged[month], {of: counts[month, of] for of in classes})
        for month in sorted(comments, reverse=True)[:MONTHS_SHOWN]
    ]


def _month(row: Mapping[str, Any]) -> str:
    return f"{row['received_date']:%Y-%m}"


def render_comments(content: Comments) -> str:
    """Return the HTML of the page; the same content gives the same text."""
    return template("comments.html.j2").render(
        content=content, sentiments=SENTIMENTS, topics=TOPICS, style=static("page.css")
    )
