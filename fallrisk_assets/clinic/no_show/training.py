"""Fitting the no-show model: a split in time, a ridge-penalised logistic regression, a sealed artefact.

Here: which bookings are learnt from, and the fit. Not here: where they come from (`clinic_bookings.py`,
`public_set.py`), judging (`measures.py`). scikit-learn is imported where it is used: daily runs load this
package too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fallrisk_assets.clinic.no_show.facts import Bookings, Facts, Visits, facts_at_booking
from fallrisk_assets.clinic.no_show.model import sealed, terms

RIDGE_C = 1.0
"""Inverse strength of the penalty on standardised terms."""
LATER_SHARE = 0.3
"""Share of the visits, the latest, on which a version is judged."""
LEAST_OF_EACH = 50
"""Fewest kept and missed visits on either side of the cut."""
TRAIN, TEST = "train", "test"
PARTS = (TRAIN, TEST)


class TooFewVisits(ValueError):
    """There is too little to learn from, or to judge by."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Settled bookings with what was known when they were made; n rows by day of visit and id.

    Attributes:
        bookings: The bookings.
        facts: What was known of each.
        missed: Whether the patient did not come, shape (n,).
        first_test_day: Visits from this day on are judged, earlier ones learnt from.
    """

    bookings: Bookings
    facts: Facts
    missed: np.ndarray
    first_test_day: np.datetime64

    @property
    def is_test(self) -> np.ndarray:
        """Which rows are judged, shape (n,)."""
        return self.bookings.visit_on >= self.first_test_day


def training_set(bookings: Bookings, visits: Visits, later_share: float = LATER_SHARE) -> TrainingSet:
    """Split bookings in time: every outcome that is learnt from was known before the first visit judged.

    Args:
        bookings: Bookings of any time; those without an outcome are left out.
        visits: Outcomes, also of visits whose booking is not known.
        later_share: About so many of the visits, the latest, are judged; whole days.

    Raises:
        TooFewVisits: on one side fewer than `LEAST_OF_EACH` were kept, or missed.
    """
    outcome = dict(zip(visits.appointment_id, visits.missed, strict=True))
    settled = np.array([one in outcome for one in bookings.appointment_id], bool)
    chosen = bookings.take(settled)
    chosen = chosen.take(np.lexsort((chosen.appointment_id.astype(str), chosen.visit_on)))
    missed = np.array([outcome[one] for one in chosen.appointment_id], bool)
    if not len(chosen):
        raise TooFewVisits("no booking has an outcome: publish the days on which visits were held first")
    cut = chosen.visit_on[min(int(len(chosen) * (1 - later_share)), len(chosen) - 1)]
    for name, side in (("before", chosen.visit_on < cut), ("from", chosen.visit_on >= cut)):
        kept, lost = int((~missed[side]).sum()), int(missed[side].sum())
        if min(kept, lost) < LEAST_OF_EACH:
            raise TooFewVisits(
                f"{kept} kept and {lost} missed visits {name} {cut}: {LEAST_OF_EACH} of each are needed; "
                "wait for more visits, or give a longer time"
            )
    return TrainingSet(chosen, facts_at_booking(chosen, visits), missed, cut)


def fit(facts: Facts, missed: np.ndarray) -> tuple[float, np.ndarray]:
    """Fit the regression on standardised terms and return it for plain ones.

    Args:
        facts: Of n bookings.
        missed: Outcomes, shape (n,).

    Returns:
        Intercept and coefficients (log odds), shape (9,). A term that never varies has 0.
    """
    from sklearn.linear_model import LogisticRegression

    x = terms(facts)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    varies = spread > 1e-9
    scale = np.where(varies, spread, 1.0)
    model = LogisticRegression(C=RIDGE_C, tol=1e-10, max_iter=1000)
    model.fit((x - mean) / scale, missed)
    coefficients = np.where(varies, model.coef_[0] / scale, 0.0)
    return float(model.intercept_[0] - mean @ coefficients), coefficients


def artefact(of: TrainingSet, version: str, training: Mapping[str, Any]) -> str:
    """Fit a version to the earlier part of a training set and return its artefact.

    Args:
        of: The training set.
        version: Name of the version, without the model's.
        training: What the artefact tells besides; has `basis`.
    """
    rows = ~of.is_test
    facts, missed = of.facts.take(rows), of.missed[rows]
    intercept, coefficients = fit(facts, missed)
    told = {
        **training,
        "visits": int(rows.sum()),
        "missed": int(missed.sum()),
        "patients": len(np.unique(of.bookings.patient_id[rows].astype(str))),
        "first_visit_on": str(of.bookings.visit_on[rows].min()),
        "last_visit_on": str(of.bookings.visit_on[rows].max()),
        "judged_from": str(of.first_test_day),
        "ridge_c": RIDGE_C,
    }
    return sealed(version, intercept, coefficients, int(facts.lead_time_days.max()), told)
