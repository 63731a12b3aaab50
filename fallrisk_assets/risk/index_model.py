"""The frozen numbers of the 12-month fall-risk index, each with its source.

Here: odds ratios, prevalences, references and cut-points. Not here: how they are put together
(`index.py`). Nothing in this module is fitted on the people being scored; a change is a new `VERSION`.

Clinical odds ratios are those for "any fall" in community-dwelling older people of Deandrea et al.,
Epidemiology 2010, 21:658-668; their standard errors follow from the published 95 % intervals.
They are univariate and the risk factors go together (who has a gait problem has a walking aid), so that
their plain sum would count the same thing twice. With seven terms and a mean correlation of about 0.15 the
variance of a sum is 1 + 6 x 0.15 = 1.9 times that of independent terms; `CLINICAL_SHRINKAGE` = 0.7, about
1 / sqrt(1.9), takes that back. The index then discriminates with an area under the curve of about 0.66 in
the reference population, inside the 0.62 to 0.69 of validated multivariable models (Gade et al., BMJ Open
2021, 11:e044170); a value above 0.75 would be too good to be true.
"""

import math
from dataclasses import dataclass

VERSION = "fall_index-1"

#: About three in ten community-dwelling people of 65 and over fall within a year
#: (Tinetti et al., NEJM 1988, 319:1701; WHO Global Report on Falls Prevention, 2007: 28-35 %).
BASE_RATE = 0.30

CLINICAL_SHRINKAGE = 0.7
GAIT_SHRINKAGE = 0.7

#: Two-sided 90 %: what the interval covers under the model's own uncertainty.
INTERVAL_Z = 1.645

#: Standard error of the reference risk on the logit scale: published yearly rates range from 0.25 to 0.35.
BASE_RATE_SE = 0.12


@dataclass(frozen=True, slots=True)
class YesNoTerm:
    """A risk factor that is present or absent.

    Attributes:
        name: Column of the patients table and component.
        odds_ratio: Of a fall, present against absent.
        se_log: Standard error of the odds ratio's logarithm.
        prevalence: In the reference population, on which the term is centred.
        source: Where the prevalence is from.
    """

    name: str
    odds_ratio: float
    se_log: float
    prevalence: float
    source: str

    @property
    def weight(self) -> float:
        """Shrunk logarithm of the odds ratio."""
        return CLINICAL_SHRINKAGE * math.log(self.odds_ratio)


YES_NO_TERMS = (
    YesNoTerm("falls_past_12_months", 2.77, 0.08, 0.30, "Tinetti et al. 1988"),
    YesNoTerm("gait_problem", 2.06, 0.06, 0.32, "Mahlknecht et al., PLoS ONE 2013, 8:e69627"),
    YesNoTerm("walking_aid", 2.18, 0.10, 0.24, "Gell et al., JAGS 2015, 63:853"),
    YesNoTerm("vertigo", 1.80, 0.12, 0.30, "Colledge et al., Age Ageing 1994, 23:117"),
    YesNoTerm("parkinsons_disease", 2.71, 0.47, 0.01, "de Lau & Breteler, Lancet Neurol 2006, 5:525"),
    YesNoTerm("fear_of_falling", 1.55, 0.09, 0.40, "Scheffer et al., Age Ageing 2008, 37:19"),
    YesNoTerm("living_alone", 1.33, 0.05, 0.28, "US census of people of 65 and over"),
)

#: Odds ratio 1.06 for each medicine; mean and spread: Charlesworth et al., J Gerontol A 2015, 70:989.
MEDICINE_ODDS_RATIO = 1.06
MEDICINE_SE_LOG = 0.01
MEDICINE_MEAN = 4.0
MEDICINE_SD = 3.0
MEDICINE_MOST = 15


@dataclass(frozen=True, slots=True)
class GaitTerm:
    """A measure of a day's walking against a frozen reference.

    Attributes:
        name: Column of the daily gait table and component.
        mean: Reference mean (of the logarithm if `logarithmic`).
        sd: Reference standard deviation, same scale.
        log_odds_per_sd: Change of the logit for one standard deviation, before shrinkage.
        logarithmic: Whether the measure is taken as its logarithm.
        source: Source of the reference and of the direction.
    """

    name: str
    mean: float
    sd: float
    log_odds_per_sd: float
    logarithmic: bool
    source: str

    @property
    def weight(self) -> float:
        """Shrunk change of the logit for one standard deviation."""
        return GAIT_SHRINKAGE * self.log_odds_per_sd


#: Sizes are deliberately small: gait by itself discriminates at about 0.6.
GAIT_TERMS = (
    GaitTerm(
        "stride_time_cv",
        math.log(0.030),
        0.40,
        0.25,
        True,
        "Hausdorff et al., Arch Phys Med Rehabil 2001, 82:1050; Callisaya et al., Age Ageing 2011, 40:481",
    ),
    GaitTerm(
        "cadence_spm",
        106.0,
        10.0,
        -0.15,
        False,
        "stands in for speed; Hollman et al., Gait Posture 2011, 34:111; Quach et al., JAGS 2011, 59:1069",
    ),
    GaitTerm(
        "stride_regularity",
        0.65,
        0.15,
        -0.20,
        False,
        "Weiss et al., Neurorehabil Neural Repair 2013, 27:742; van Schooten, J Gerontol A 2015, 70:608",
    ),
    GaitTerm("walking_minutes", math.log(60.0), 0.70, -0.10, True, "van Schooten et al. 2015"),
)
#: A measure further than this from the reference counts as this far.
MOST_SD = 2.5

#: Wear and walking at which a day's measures count half.
HALF_WEAR_MINUTES = 240.0
HALF_WALKING_MINUTES = 10.0
#: Below this wear a day says nothing about a person.
LEAST_WEAR_MINUTES = 60.0
#: Below this walking the day's gait measures are left out.
LEAST_WALKING_MINUTES = 1.0

#: Solved once so that the mean probability of the reference population equals `BASE_RATE` (tested): the
#: logit's spread pulls the mean away from the probability of the mean.
INTERCEPT = -0.9105

#: Cut-points frozen on the reference population: its lower half is low, its upper fifth is high.
MEDIUM_FROM = 0.28
HIGH_FROM = 0.40
BANDS = ("low", "medium", "high")
