"""Falls and everyday movements drawn for training, after the scripts that the field's recordings follow.

The lists are those of SisFall (Sucerquia, López, Vargas-Bonilla, Sensors 2017, 17:198: 15 falls, 19
activities), KFall (Yu, Jang, Xiong, Front. Aging Neurosci. 2021, 13:692865: 15 falls, 21 activities),
WEDA-FALL (Marques, Moreno 2023: wrist) and MobiFall (Vavoulas et al. 2014: pocket). None of their samples are
used: only what people were asked to do. Not here: how a script looks (`scripted_falls.py`,
`scripted_activities.py`), the physics of a motion (`synthetic_motion.py`) and of a sensor
(`sensor_effects.py`).
"""

import numpy as np

from fallrisk_assets.risk.scripted_activities import activities
from fallrisk_assets.risk.scripted_falls import FALLS
from fallrisk_assets.risk.synthetic_motion import Motion


def scripted_motions(n: int, seed: int, group: str) -> list[tuple[str, Motion, bool]]:
    """Draw falls and everyday movements, half and half, every script equally often.

    Args:
        n: How many.
        seed: Seed.
        group: "trunk", "wrist" or "limb".

    Returns:
        (script, motion, is a fall) for each.
    """
    rng = np.random.default_rng(seed)
    falls, others = list(FALLS.items()), list(activities(group).items())
    drawn = []
    for k in range(n):
        name, draw = falls[(k // 2) % len(falls)] if k % 2 == 0 else others[(k // 2) % len(others)]
        drawn.append((name, draw(rng, group), k % 2 == 0))
    return drawn
