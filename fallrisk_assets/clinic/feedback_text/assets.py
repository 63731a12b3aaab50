"""What patients wrote, as daily assets.

Here: the Dagster skin. Not here: what is computed (`scoring.py`). Comments are read here and go nowhere else.
"""

from collections import Counter

import dagster as dg

from fallrisk_assets.clinic.feedback_text.contract import SCORED, FeedbackSentiment, FeedbackTopics
from fallrisk_assets.clinic.feedback_text.evaluated import basis_now
from fallrisk_assets.clinic.feedback_text.model import SENTIMENT, TOPIC, TextModel
from fallrisk_assets.clinic.feedback_text.scoring import ANSWER_COLUMNS, text_rows
from fallrisk_assets.clinic.operations.contract import Feedback
from fallrisk_assets.contract import ContractType
from fallrisk_assets.lake import Lake, Publication
from fallrisk_assets.models.pinning import MODEL_FACT, pinned_version
from fallrisk_assets.models.registry import registry_of
from fallrisk_assets.partitions import daily
from fallrisk_assets.publishing import contract_asset, show, show_bars

GROUP = "feedback_text"


def _judge(lake: Lake, publication: Publication, name: str, model_type: ContractType) -> None:
    registry = registry_of(lake, name)
    in_use = registry.in_use()
    for key in sorted(publication.keys):
        version = pinned_version(lake.ledger.find(model_type, key)) or in_use
        text = registry.artefact(version)
        registry.keep(text)
        model = TextModel.from_json(text)
        basis = basis_now(lake, model)
        publication.note_input(key, Feedback.spec.identifier, lake.ledger.get(Feedback, key).content_hash)
        publication.mark(key, None, **{MODEL_FACT: version})
        rows = text_rows(lake.read(Feedback, [key], columns=[*ANSWER_COLUMNS, "comments"]), model, basis)
        publication.add(key, rows)
        show(publication, key, model=version, **{"the model was": basis})
        if name == SENTIMENT:
            said = Counter(zip(rows["sentiment"].to_pylist(), rows["reason"].to_pylist(), strict=True))
            counts = {sentiment or str(reason): n for (sentiment, reason), n in said.items()}
        else:
            pairs = zip(rows["topic"].to_pylist(), rows["said"].to_pylist(), strict=True)
            counts = dict(Counter(topic for topic, yes in pairs if yes))
            answers = zip(rows["content_hash"].to_pylist(), rows["status"].to_pylist(), strict=True)
            judged = dict(answers)
            show(publication, key, **{"comments judged": sum(s == SCORED for s in judged.values())})
        show_bars(publication, key, dict(sorted(counts.items())), name="comments")


@contract_asset(
    FeedbackSentiment,
    partitions_def=daily,
    group_name=GROUP,
    kinds=("python", "iceberg"),
    deps=["feedback"],
)
def feedback_sentiment(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """By the version of the model in use; a published day keeps the version that judged it.

    The comments stay where they are; nothing of them is copied.
    """
    _judge(lake, publication, SENTIMENT, FeedbackSentiment)


@contract_asset(
    FeedbackTopics,
    partitions_def=daily,
    group_name=GROUP,
    kinds=("python", "iceberg"),
    deps=["feedback"],
)
def feedback_topics(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """By the version of the model in use; a published day keeps the version that judged it.

    The comments stay where they are; nothing of them is copied.
    """
    _judge(lake, publication, TOPIC, FeedbackTopics)
