"""Which data sets can be read, and the facts of each: positions, licence, citation.

Belongs here: what somebody must know before using a data set. Does not belong here: how it is read.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dataset:
    """A published data set.

    Attributes:
        title: Its name in print.
        reader: The module that reads it.
        positions: Where sensors were worn; the first is the one to start with.
        licence: Under which terms it is published, as its publishers say.
        may_ship_model: Whether those terms allow shipping a model trained on it, commercial use included.
        citation: How to cite it; "" for recordings of one's own.
    """

    title: str
    reader: str
    positions: tuple[str, ...]
    licence: str
    may_ship_model: bool
    citation: str


ALL_POSITIONS = ("waist", "wrist", "pocket", "chest", "lowback", "ankle")
_READERS = "fallrisk_assets.recordings"

DATASETS: dict[str, Dataset] = {
    "umafall": Dataset(
        title="UMAFall",
        reader=f"{_READERS}.umafall",
        positions=("waist", "wrist", "pocket", "chest", "ankle"),
        licence="CC BY 4.0",
        may_ship_model=True,
        citation="Casilari, Santoyo-Ramón, Cano-García, Procedia Computer Science 110 (2017) 32-39",
    ),
    "sisfall": Dataset(
        title="SisFall",
        reader=f"{_READERS}.sisfall",
        positions=("waist",),
        licence="none stated by its publishers",
        may_ship_model=False,
        citation="Sucerquia, López, Vargas-Bonilla, Sensors 17(1):198 (2017)",
    ),
    "kfall": Dataset(
        title="KFall",
        reader=f"{_READERS}.kfall",
        positions=("lowback",),
        licence="on request from its publishers; no licence to redistribute is stated",
        may_ship_model=False,
        citation="Yu, Jang, Xiong, Frontiers in Aging Neuroscience 13:692865 (2021)",
    ),
    "weda_fall": Dataset(
        title="WEDA-FALL",
        reader=f"{_READERS}.weda_fall",
        positions=("wrist",),
        licence="none stated in its repository",
        may_ship_model=False,
        citation="Marques, Moreno, WEDA-FALL: Wrist Elderly Daily Activity and Fall Dataset (2023)",
    ),
    "mobifall": Dataset(
        title="MobiFall v2",
        reader=f"{_READERS}.mobifall",
        positions=("pocket",),
        licence="on request from its publishers; no licence to redistribute is stated",
        may_ship_model=False,
        citation="Vavoulas, Pediaditis, Chatzaki, Spanakis, Tsiknakis, International Journal of Monitoring "
        "and Surveillance Technologies Research 2(1) (2014)",
    ),
    "axivity": Dataset(
        title="Axivity AX3 and AX6 files",
        reader=f"{_READERS}.axivity",
        positions=ALL_POSITIONS,
        licence="that of whoever recorded them",
        may_ship_model=False,
        citation="",
    ),
    "csv": Dataset(
        title="plain CSV with a column map",
        reader=f"{_READERS}.plain_csv",
        positions=ALL_POSITIONS,
        licence="that of whoever recorded them",
        may_ship_model=False,
        citation="",
    ),
}
