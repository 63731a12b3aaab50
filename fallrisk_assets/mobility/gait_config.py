"""What the daily measures agree on: positions, limits, and what a bout of walking is.

Here: constants and records of the gait modules. Not here: anything computed.
"""

from dataclasses import dataclass

TRUNK = frozenset({"waist", "lowback", "chest"})
PELVIS = frozenset({"waist", "lowback"})
NO_STEPS = frozenset({"ankle"})
#: Which device counts where two were worn at once, best first.
POSITION_ORDER = ("lowback", "waist", "chest", "pocket", "wrist", "ankle")


@dataclass(frozen=True, slots=True)
class GaitConfig:
    """Limits of the daily measures.

    Attributes:
        active_sd_g: Standard deviation of acceleration (three axes) from which a second is movement.
        min_bout_steps: Fewest steps of a bout of walking.
        min_reference_steps: Fewest steps of a day whose direction of gravity says what upright is.
        walking_tilt_deg: A bout whose gravity is further than this from the day's walking is none.
        swing_stride_s: At a limb, a period longer than this (70 a minute) is that of strides.
        quality_bout_s: Shortest steady stretch on which gait quality is judged.
        upright_deg: Tilt from the direction of walking below which a trunk is upright.
        seated_deg: Tilt above which it is seated; between the two the state before goes on.
        lying_deg: Tilt above which it is lying.
        seated_s: How long somebody must have been seated before standing up counts.
        lying_s: How long somebody must have lain before walking at night is a rising.
        quiet_sd_g: Standard deviation of acceleration below which standing is quiet.
        sway_s: Shortest quiet stance on which sway is judged.
        sway_near_walk_s: Quiet stance counts within this time of walking: further away it may be sitting.
        still_sd_g: As `WindowConfig.still_sd_g`.
        not_worn_after_s: As `WindowConfig.not_worn_after_s`.
    """

    active_sd_g: float = 0.05
    min_bout_steps: int = 5
    min_reference_steps: int = 20
    walking_tilt_deg: float = 40.0
    swing_stride_s: float = 0.85
    quality_bout_s: float = 8.0
    upright_deg: float = 9.0
    seated_deg: float = 12.0
    lying_deg: float = 50.0
    seated_s: int = 5
    lying_s: int = 60
    quiet_sd_g: float = 0.03
    sway_s: int = 5
    sway_near_walk_s: int = 20
    still_sd_g: float = 0.004
    not_worn_after_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Bout:
    """A stretch of walking, `[start_s, end_s)` in seconds from the grid's start."""

    start_s: float
    end_s: float
    steps: int
