"""Whether a version was evaluated on a supplied set, and so what stands beside all that it says.

Here: looking that up. Not here: measuring (`measures.py`), the words (`vocabulary.py`).
"""

import pyarrow.compute as pc

from fallrisk_assets.clinic.feedback_text.contract import FeedbackTextEvaluation
from fallrisk_assets.clinic.feedback_text.model import TextModel
from fallrisk_assets.clinic.feedback_text.vocabulary import ON_SIMULATED, ON_SIMULATED_EVALUATED, SUPPLIED
from fallrisk_assets.lake import Lake


def basis_now(lake: Lake, model: TextModel) -> str:
    """Return what a version was trained on, and whether one on simulated text was evaluated on real text."""
    if model.basis != ON_SIMULATED:
        return model.basis
    for key in reversed(lake.ledger.keys(FeedbackTextEvaluation)):
        rows = lake.read(FeedbackTextEvaluation, [key], columns=["model_version", "source"])
        here = pc.and_(pc.equal(rows["model_version"], model.version), pc.equal(rows["source"], SUPPLIED))
        if pc.any(here).as_py():
            return ON_SIMULATED_EVALUATED
    return ON_SIMULATED
