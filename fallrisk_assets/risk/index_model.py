"""The frozen numbers of the 12-month fall-risk index, each with its source and what was checked of it.

Here: odds ratios, prevalences, references and cut-points. Not here: how they are put together
(`index.py`) and the population that they describe (`reference_population.py`). Nothing in this module is
fitted on the people being scored; a change is a new `VERSION`.

Clinical odds ratios are those for "any fall" (all fallers, not recurrent ones) in community-dwelling older
people of Deandrea et al., Epidemiology 2010, 21:658-668. The abstract gives them to one decimal for history
of falls (2.8), gait problems (2.1), walking aid (2.2), vertigo (1.8) and Parkinson's disease (2.7): those
were checked. Second decimals, all 95 % intervals, and the ratios of fear of falling, living alone and
number of medicines are taken from the paper's tables and were not re-checked against a public text.

They are univariate, and risk factors go together (who has a gait problem has a walking aid), so that their
plain sum would count the same thing twice. Two roads lead to the same `CLINICAL_SHRINKAGE`. Where the same
people give unadjusted and adjusted odds ratios of a fall (Orces, Curr Gerontol Geriatr Res 2013, 495468,
table 2, sex and nine illnesses), the least-squares slope through the origin of the adjusted on the
unadjusted logarithms is 0.51 (`SHRINKAGE_EVIDENCE`, tested). And k factors with equal correlation r have
adjusted coefficients 1 / (1 + (k - 1) r) times the univariate ones (linear theory): 0.51 with eight
factors is a mean correlation of 0.14. Gait measures are correlated at more than 0.4 (van Schooten et al.,
PLoS ONE 2016, 11:e0158623): five of them at 0.4 give 1 / 2.6.

An index like this discriminates with an area under the curve of 0.646 (0.584 to 0.708; FRAT-up, the same
meta-analysis as a score, in four cohorts: Palumbo et al., JAMDA 2016, 17:1106) or of 0.62 to 0.69 (validated
models: Gade et al., BMJ Open 2021, 11:e044170).
"""

import math
from dataclasses import dataclass

VERSION = "fall_index-2"

#: 28 to 35 % of people of 65 and over fall each year (WHO Global Report on Falls Prevention, 2007; checked).
BASE_RATE = 0.30

#: Standard error of the reference risk on the logit scale: 28 to 35 % taken as 90 % of populations gives
#: 0.10; 0.12 also covers a quarter.
BASE_RATE_SE = 0.12

#: The index is for people of this age and over.
LEAST_AGE_YEARS = 65

#: Unadjusted and adjusted odds ratios of a fall in the same people (Orces 2013, table 2; checked).
SHRINKAGE_EVIDENCE = {
    "woman": (1.70, 1.81),
    "cognitive impairment": (1.99, 1.71),
    "depression": (1.99, 1.14),
    "hypertension": (1.27, 1.19),
    "diabetes": (1.10, 1.07),
    "COPD": (1.45, 0.98),
    "arthritis": (1.72, 1.03),
    "stroke": (1.91, 1.49),
    "urinary incontinence": (1.91, 1.58),
    "cataracts": (1.34, 0.92),
}
CLINICAL_SHRINKAGE = 0.51
CLINICAL_CORRELATION = 0.14
GAIT_CORRELATION = 0.4
GAIT_SHRINKAGE = 1.0 / (1.0 + 4 * GAIT_CORRELATION)

#: Two-sided 90 %: what the interval covers under the model's own uncertainty.
INTERVAL_Z = 1.645
_Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class YesNoTerm:
    """A risk factor that is present or absent.

    Attributes:
        name: Column of the patients table and component.
        odds_ratio: Of a fall, present against absent, univariate.
        lower: Lower end of its 95 % interval.
        upper: Upper end.
        prevalence: In the reference population, on which the term is centred.
        source: Where the prevalence is from.
        checked: What of this term was found in a public text.
    """

    name: str
    odds_ratio: float
    lower: float
    upper: float
    prevalence: float
    source: str
    checked: str

    @property
    def weight(self) -> float:
        """Shrunk logarithm of the odds ratio."""
        return CLINICAL_SHRINKAGE * math.log(self.odds_ratio)

    @property
    def weight_se(self) -> float:
        """Standard error of the weight, from the published interval."""
        return CLINICAL_SHRINKAGE * math.log(self.upper / self.lower) / (2 * _Z95)

    @property
    def spread(self) -> float:
        """Standard deviation of the term in the reference population."""
        return self.weight * math.sqrt(self.prevalence * (1.0 - self.prevalence))


_RATIO = "odds ratio to one decimal"
YES_NO_TERMS = (
    YesNoTerm(
        *("falls_past_12_months", 2.77, 2.37, 3.25, 0.30),
        "WHO 2007: 28 to 35 % fall within a year",
        f"{_RATIO}, prevalence",
    ),
    YesNoTerm(
        *("gait_problem", 2.06, 1.82, 2.33, 0.32),
        "Mahlknecht et al., PLoS ONE 2013, 8:e69627: 32.2 % (28.2 to 36.4 %) of 488 people of 60 to 97",
        f"{_RATIO}, prevalence",
    ),
    YesNoTerm(
        *("walking_aid", 2.18, 1.79, 2.65, 0.24),
        "Gell et al., JAGS 2015, 63:853: 24 % of 7,609 people of 65 and over",
        f"{_RATIO}, prevalence",
    ),
    YesNoTerm(
        *("vertigo", 1.80, 1.39, 2.33, 0.30),
        "Colledge et al., Age Ageing 1994, 23:117: 30 % of people of 65 and over report dizziness",
        f"{_RATIO}, prevalence",
    ),
    YesNoTerm(
        *("parkinsons_disease", 2.71, 1.08, 6.84, 0.01),
        "1.0 % of people over 60 (de Lau & Breteler, Lancet Neurol 2006, 5:525, as later reviews quote it)",
        f"{_RATIO}, prevalence in a review",
    ),
    YesNoTerm(
        *("fear_of_falling", 1.55, 1.14, 2.09, 0.40),
        "chosen inside the published 21 to 85 % (PMC4820267); one question gives less than a scale",
        "range of prevalence",
    ),
    YesNoTerm(
        *("living_alone", 1.33, 1.21, 1.45, 0.28),
        "A Profile of Older Americans 2013: 28 % of people of 65 and over at home live alone",
        "prevalence",
    ),
)

#: For each medicine more: 1.06 (1.04 to 1.08). Not re-checked in Deandrea et al.; a cohort of 241 people of
#: 75 and over found a rate ratio of 1.06 (1.02 to 1.10; BMC Geriatrics 2021, 21:402, table 2; checked).
MEDICINE_ODDS_RATIO = 1.06
MEDICINE_LOWER = 1.04
MEDICINE_UPPER = 1.08
#: 4.6 (standard deviation 4.0) medicines in all 1.7 million Swedes of 65 and over (Morin et al., Clin
#: Epidemiol 2018, 10:289; checked). Further ones than `MEDICINE_MOST` count no more.
MEDICINE_MEAN = 4.6
MEDICINE_SD = 4.0
MEDICINE_MOST = 20
MEDICINE_WEIGHT = CLINICAL_SHRINKAGE * math.log(MEDICINE_ODDS_RATIO)
MEDICINE_WEIGHT_SE = CLINICAL_SHRINKAGE * math.log(MEDICINE_UPPER / MEDICINE_LOWER) / (2 * _Z95)
MEDICINE_SPREAD = MEDICINE_WEIGHT * MEDICINE_SD


@dataclass(frozen=True, slots=True)
class GaitTerm:
    """A measure of a day's walking against a frozen reference.

    Attributes:
        name: Column of the daily gait table and component.
        mean: Reference mean (of the logarithm if `logarithmic`).
        sd: Reference standard deviation between people, same scale.
        log_odds_per_sd: Change of the logit for one standard deviation, before shrinkage.
        logarithmic: Whether the measure is taken as its logarithm.
        amount: Whether it adds up over the day (so that short wear gives less), or describes walking.
        least: Smallest value that a person can have.
        most: Largest.
        source: Source of the reference and of the direction.
        checked: What of this term was found in a public text.
    """

    name: str
    mean: float
    sd: float
    log_odds_per_sd: float
    logarithmic: bool
    amount: bool
    least: float
    most: float
    source: str
    checked: str

    @property
    def weight(self) -> float:
        """Shrunk change of the logit for one standard deviation; also the term's reference spread."""
        return GAIT_SHRINKAGE * self.log_odds_per_sd


#: Sizes are deliberately small: gait by itself discriminates at about 0.6. The one published size that fits
#: is of speed: a rate ratio of 1.069 (1.001 to 1.142) for 10 cm/s less (Verghese et al., J Gerontol A 2009,
#: 64:896; checked), about 0.15 for one standard deviation. Its interval also gives `GAIT_RELATIVE_SE`.
GAIT_TERMS = (
    GaitTerm(
        *("stride_time_cv", math.log(0.030), 0.40, 0.25, True, False, 0.002, 1.0),
        "direction: Hausdorff et al., Arch Phys Med Rehabil 2001, 82:1050 (106 against 49 ms in 52 people); "
        "reference: order of Hollman et al., Gait Posture 2011, 34:111",
        "direction",
    ),
    GaitTerm(
        *("cadence_spm", 102.0, 10.0, -0.15, False, False, 30.0, 220.0),
        "stands in for speed; reference: 1.7 steps/s in the daily life of 49 older people (PMC5875188), where"
        " cadence is lower than in a laboratory (Urbanek et al., J Gerontol A 2018, 73:676: 20 % lower)",
        "mean, direction, size for speed; the spread was not",
    ),
    GaitTerm(
        *("stride_regularity", 0.65, 0.15, -0.20, False, False, -1.5, 1.5),
        "direction: Weiss et al., Neurorehabil Neural Repair 2013, 27:742; van Schooten et al. 2016;"
        " reference: typical of vertical trunk acceleration (Moe-Nilssen & Helbostad, J Biomech 2004)",
        "direction; the reference was not",
    ),
    GaitTerm(
        *("walking_minutes", math.log(60.0), 0.70, -0.10, True, True, 0.0, 1440.0),
        "direction: van Schooten et al., J Gerontol A 2015, 70:608; reference: geometric middle of two"
        " counts, since bouts of five steps lie between them: every step, median 102 min (Klenk et al., PLoS"
        " ONE 2016, 11:e0153779), and bouts of ten seconds, 10 to 140 min (PMC5875188)",
        "direction, both counts; the spread was not",
    ),
    GaitTerm(
        *("sit_to_stands", 64.0, 25.0, -0.10, False, True, 0.0, 1000.0),
        "reference: 71 (25) in healthy older people and 57 (23) in visitors of a day hospital, both living at"
        " home, taken together (Grant et al., Aging Clin Exp Res 2011, 23:437); direction: fewer with fear"
        " of falling and weakness (Löppönen et al., J Gerontol A 2022, 77:1644); no odds ratio is known",
        "reference, direction; the size is chosen",
    ),
)
#: Relative standard error of a gait term: log(1.142 / 1.001) / (2 x 1.96) over log(1.069) of speed.
GAIT_RELATIVE_SE = 0.5
#: A measure further than this from the reference counts as this far.
MOST_SD = 2.5

#: Wear and walking at which a day's measures count half, as a reliability of one half does.
HALF_WEAR_MINUTES = 240.0
HALF_WALKING_MINUTES = 10.0
#: Below this wear a day says nothing about a person.
LEAST_WEAR_MINUTES = 60.0
#: Longest local day (25 hours) and a minute of rounding.
MOST_WEAR_MINUTES = 1501.0
#: Wear for which the references of amounts hold; amounts of a shorter wear are scaled up to it.
WAKING_MINUTES = 840.0
#: Below this walking the day's gait measures are left out.
LEAST_WALKING_MINUTES = 1.0

#: Solved once so that the mean probability of the reference population equals `BASE_RATE` (tested): the
#: logit's spread pulls the mean away from the probability of the mean.
INTERCEPT = -0.9075

#: Cut-points frozen on the reference population: its lower half is low, its upper fifth is high.
MEDIUM_FROM = 0.27
HIGH_FROM = 0.41
BANDS = ("low", "medium", "high")
#: Fifths of the index in the reference population, against which a day's patients are compared.
REFERENCE_FIFTHS = (0.183, 0.237, 0.306, 0.409)

#: What history and clinical data can tell at most, and gait alone: an area under the curve above it means
#: that something of the outcome is among the inputs. Validated models reach 0.62 to 0.69 (Gade et al. 2021).
MOST_PLAUSIBLE_AUC = 0.75
MOST_PLAUSIBLE_AUC_OF_GAIT = 0.60
