"""The judged comments of a day.

Here: rows of `curated.feedback_sentiment` and `curated.feedback_topics`. Not here: the models (`model.py`).
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from fallrisk_assets.clinic.feedback_text.contract import (
    NOT_SCORED,
    SCORED,
    WORDS_UNKNOWN,
    FeedbackSentiment,
    FeedbackTopics,
)
from fallrisk_assets.clinic.feedback_text.model import SAID_FROM, SENTIMENT, TOPIC, TextModel
from fallrisk_assets.contract import ContractType, arrow_schema

ANSWER_COLUMNS = ("received_date", "feedback_id", "content_hash", "appointment_id", "patient_id")
TABLES: dict[str, ContractType] = {SENTIMENT: FeedbackSentiment, TOPIC: FeedbackTopics}
"""What each model writes."""


def text_rows(answers: pa.Table, model: TextModel, basis: str) -> pa.Table:
    """Return the rows that a model writes of a day's answers; an answer without a comment has none.

    Args:
        answers: `Feedback` rows, at least `ANSWER_COLUMNS` and `comments`.
        model: The version that judges.
        basis: What it was trained on and whether it was evaluated, one of `vocabulary.BASES`.
    """
    commented = [row for row in answers.to_pylist() if (row["comments"] or "").strip()]
    texts = [row["comments"] for row in commented]
    of_version = {"model_version": model.version, "model_basis": basis}
    rows: list[dict[str, Any]] = []
    for answer, text, p in zip(commented, texts, model.probabilities(texts), strict=True):
        can = model.can_judge(text)
        head = {
            **{name: answer[name] for name in ANSWER_COLUMNS},
            "status": SCORED if can else NOT_SCORED,
            "reason": None if can else WORDS_UNKNOWN,
            **of_version,
        }
        rows += _sentiment(head, model, p, can) if model.name == SENTIMENT else _topics(head, model, p, can)
    target = TABLES[model.name]
    return pa.Table.from_pylist(rows, schema=arrow_schema(target)).sort_by(
        [(name, "ascending") for name in target.spec.sort]
    )


def _sentiment(head: dict[str, Any], model: TextModel, p: Sequence[float], can: bool) -> list[dict[str, Any]]:
    named = dict(zip(model.classes, map(float, p), strict=True))
    best = max(named, key=lambda name: named[name])
    probabilities = {f"{name}_probability": value if can else None for name, value in named.items()}
    return [{**head, "sentiment": best if can else None, **probabilities}]


def _topics(head: dict[str, Any], model: TextModel, p: Sequence[float], can: bool) -> list[dict[str, Any]]:
    return [
        {
            **head,
            "topic": topic,
            "probability": float(value) if can else None,
            "said": bool(value >= SAID_FROM) if can else None,
        }
        for topic, value in zip(model.classes, p, strict=True)
    ]
