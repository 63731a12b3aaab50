"""Which labelled comments the text models are trained on, as a Dagster resource.

Here: the settings. Not here: reading comments (`labelled_file.py`, `simulated.py`).
"""

import os

import dagster as dg

SET_VARIABLE = "FALLRISK_FEEDBACK_SET"


class FeedbackTextSource(dg.ConfigurableResource):
    """What a training run reads.

    Attributes:
        file: Labelled CSV; empty: what `FALLRISK_FEEDBACK_SET` names when it is used, and where that is not
            set, simulated comments.
        simulated_comments: How many are simulated then.
    """

    file: str = ""
    simulated_comments: int = 6000

    @property
    def place(self) -> str:
        """The file, as configured or from the environment; empty for simulated comments."""
        return self.file or os.environ.get(SET_VARIABLE, "")
