"""Tables of the text models: what patients wrote about, in which tone, and the models' training.

Here: what the tables are. Not here: how they are made (`scoring.py`, `rows.py`), the artefacts themselves
(plain JSON in the registry).

No table holds a comment or a part of one, and none holds a rating beside a sentiment: whoever wants to
compare them joins `fact_feedback` by the answer.
"""

from fallrisk_assets.clinic.feedback_text.dates import DATE_FLAGS
from fallrisk_assets.clinic.feedback_text.gates import CANDIDATE, IN_USE
from fallrisk_assets.clinic.feedback_text.measures import METRICS
from fallrisk_assets.clinic.feedback_text.model import NAMES
from fallrisk_assets.clinic.feedback_text.vocabulary import BASES, SENTIMENTS, SOURCES, TOPICS
from fallrisk_assets.contract import (
    Bool,
    Contract,
    Date,
    Float64,
    Int64,
    Rule,
    String,
    column,
    table,
)

SCORED, NOT_SCORED = "SCORED", "NOT_SCORED"
WORDS_UNKNOWN = "WORDS_UNKNOWN"
REASONS = (WORDS_UNKNOWN,)
TRAIN, TEST = "train", "test"
SHA256 = r"[0-9a-f]{64}"
CONTENT_HASH = r"[0-9a-f]{32}"


@table(
    name="feedback_sentiment",
    namespace="curated",
    grain="one row per answer with a comment and UTC day of receipt",
    key=("feedback_id", "content_hash", "received_date"),
    slice_column="received_date",
    slicing="day",
    person="patient_id",
    sort=("feedback_id", "content_hash"),
)
class FeedbackSentiment(Contract):
    """In which tone patients wrote: the words' sentiment, never made from a rating.

    A comment with too few known words is NOT_SCORED, never neutral. What the version that judged was trained
    on stands in every row.
    """

    received_date: Date = column(1, "UTC day on which the answer was received")
    feedback_id: String = column(2, "Id of the answer", pii="pseudonym")
    content_hash: String = column(3, "Hash of what the answer says", matches=CONTENT_HASH)
    appointment_id: String = column(4, "Appointment", pii="pseudonym")
    patient_id: String = column(5, "Clinic's id of the patient", pii="pseudonym")
    status: String = column(6, "Whether the comment could be judged", isin=(SCORED, NOT_SCORED))
    reason: String = column(7, "Why not; null if it could", nullable=True, isin=REASONS)
    sentiment: String = column(
        8,
        "The most probable one; neutral is neither or both",
        pii="sensitive",
        nullable=True,
        isin=SENTIMENTS,
    )
    negative_probability: Float64 = column(
        9, "Probability of negative", unit="1", pii="sensitive", nullable=True, ge=0, le=1
    )
    neutral_probability: Float64 = column(
        10, "Probability of neutral", unit="1", pii="sensitive", nullable=True, ge=0, le=1
    )
    positive_probability: Float64 = column(
        11, "Probability of positive", unit="1", pii="sensitive", nullable=True, ge=0, le=1
    )
    model_version: String = column(12, "Version of the model that judged, or refused to")
    model_basis: String = column(13, "What that version was trained on", isin=BASES)


@table(
    name="feedback_topics",
    namespace="curated",
    grain="one row per answer with a comment, topic of the model, and UTC day of receipt",
    key=("feedback_id", "content_hash", "topic", "received_date"),
    slice_column="received_date",
    slicing="day",
    person="patient_id",
    sort=("feedback_id", "content_hash", "topic"),
)
class FeedbackTopics(Contract):
    """What patients wrote about: each topic that the model knows, with its probability; several can hold.

    A comment with too few known words is NOT_SCORED, never about nothing.
    """

    received_date: Date = column(1, "UTC day on which the answer was received")
    feedback_id: String = column(2, "Id of the answer", pii="pseudonym")
    content_hash: String = column(3, "Hash of what the answer says", matches=CONTENT_HASH)
    appointment_id: String = column(4, "Appointment", pii="pseudonym")
    patient_id: String = column(5, "Clinic's id of the patient", pii="pseudonym")
    topic: String = column(6, "Topic", isin=TOPICS)
    status: String = column(7, "Whether the comment could be judged", isin=(SCORED, NOT_SCORED))
    reason: String = column(8, "Why not; null if it could", nullable=True, isin=REASONS)
    probability: Float64 = column(
        9, "Probability that the comment is about it", unit="1", pii="sensitive", nullable=True, ge=0, le=1
    )
    said: Bool = column(10, "Whether it counts as being about it", pii="sensitive", nullable=True)
    model_version: String = column(11, "Version of the model that judged, or refused to")
    model_basis: String = column(12, "What that version was trained on", isin=BASES)


@table(
    name="feedback_text_training_set",
    namespace="curated",
    grain="one row per labelled comment",
    key=("item", "trained_on"),
    slice_column="trained_on",
    slicing="day",
    person=None,
    sort=("item",),
    on_demand=True,
)
class FeedbackTextTrainingSet(Contract):
    """Labelled comments without their words, writers and ratings: labels, dates, side of the split.

    A date that stands in an order that nobody can tell is flagged, never guessed.
    """

    trained_on: Date = column(1, "Day of training; the partition")
    item: String = column(2, "Line of the file, or number of the simulated comment")
    source: String = column(3, "Whence it is", isin=SOURCES)
    set_sha256: String = column(4, "Hash of the whole set, words included", matches=SHA256)
    part: String = column(5, "Learnt from, or judged by", isin=(TRAIN, TEST))
    sentiment: String = column(6, "Label; null where nobody said", nullable=True, isin=SENTIMENTS)
    topics: String = column(
        7, "Labels by comma, empty for none of them; null where nobody said", nullable=True
    )
    written_on: Date = column(8, "Day on which it was written; null where not known", nullable=True)
    date_flag: String = column(9, "Why it is not known", nullable=True, isin=DATE_FLAGS)


@table(
    name="feedback_text_left_out",
    namespace="curated",
    grain="one row per record of a file that is not in the training set",
    key=("line", "trained_on"),
    slice_column="trained_on",
    slicing="day",
    person=None,
    sort=("line",),
    on_demand=True,
)
class FeedbackTextLeftOut(Contract):
    """Records of a labelled file that were left out, with the reason and without their words."""

    trained_on: Date = column(1, "Day of training; the partition")
    line: Int64 = column(2, "Line on which it ends, the header being 1; 0 is the whole file", ge=0)
    reason: String = column(3, "Reason code", matches=r"[A-Z][A-Z0-9_]+")
    detail: String = column(4, "What to do")


@table(
    name="feedback_text_models",
    namespace="curated",
    grain="one row per version that was trained",
    key=("model_version", "trained_on"),
    slice_column="trained_on",
    slicing="day",
    person=None,
    sort=("model",),
    on_demand=True,
)
class FeedbackTextModels(Contract):
    """Versions of the text models that were trained here; the artefacts are plain JSON in the registry."""

    trained_on: Date = column(1, "Day of training; the partition")
    model: String = column(2, "Which of the two", isin=NAMES)
    model_version: String = column(3, "Name, day, inputs and parameters of the version")
    artefact_sha256: String = column(4, "SHA-256 of the artefact", matches=SHA256)
    training_set_sha256: String = column(5, "Content hash of the training set", matches=SHA256)
    code_sha256: String = column(
        6, "SHA-256 of the training's source and its libraries' versions", matches=SHA256
    )
    basis: String = column(7, "What it was trained on", isin=BASES)
    learnt_comments: Int64 = column(8, "Comments that it learnt from", ge=1)
    ngrams: Int64 = column(9, "Words and pairs of words that it knows", ge=1)
    ngrams_left_out: Int64 = column(10, "Those that too few people wrote", ge=0)


@table(
    name="feedback_text_evaluation",
    namespace="curated",
    grain="one row per figure of a version",
    key=("model_version", "subgroup", "metric", "evaluated_on"),
    slice_column="evaluated_on",
    slicing="day",
    person=None,
    sort=("model", "metric", "subgroup", "model_version"),
    rules=(Rule("upper", "ge", "lower", "INTERVAL_REVERSED"),),
    on_demand=True,
)
class FeedbackTextEvaluation(Contract):
    """How good a version is on comments of the day's set that the candidate did not learn from.

    The version in use is judged beside the day's candidate, on the same comments. Where the set is a supplied
    one, this is what ends the label of a version that was trained on simulated text only.
    """

    evaluated_on: Date = column(1, "Day of training of the candidate; the partition")
    model: String = column(2, "Which of the two", isin=NAMES)
    model_version: String = column(3, "Version that was judged")
    role: String = column(4, "The day's candidate, or the version in use", isin=(CANDIDATE, IN_USE))
    source: String = column(5, "Whose comments it was judged on", isin=SOURCES)
    learnt_from: String = column(6, "Whose comments it learnt from", isin=SOURCES)
    subgroup: String = column(7, "all, a sentiment, or a topic", isin=("all", *SENTIMENTS, *TOPICS))
    metric: String = column(8, "What was measured", isin=METRICS)
    value: Float64 = column(9, "The figure")
    lower: Float64 = column(10, "Lower end of the 95 % interval")
    upper: Float64 = column(11, "Upper end of the 95 % interval")
    n: Int64 = column(12, "Comments (of an n-gram's people: people) that it rests on", ge=1)
