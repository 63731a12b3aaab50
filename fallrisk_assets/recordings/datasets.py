"""Which data sets can be read, and the facts of each: positions, licence, citation.

Belongs here: what somebody must know before using a data set. Does not belong here: how it is read.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dataset:
    """A published data set.

    Attributes:
        title: Its name in print.
        positions: Where sensors were worn; the first is the one to start with.
        licence: Under which terms it is published, as its publishers say.
        may_ship_model: Whether those terms allow shipping a model trained on it, commercial use included.
        citation: How to cite it; "" for recordings of one's own.
    """

    title: str
    positions: tuple[str, ...]
    licence: str
    may_ship_model: bool
    citation: str


ALL_POSITIONS = ("waist", "wrist", "pocket", "chest", "lowback", "ankle")

DATASETS: dict[str, Dataset] = {
    "umafall": Dataset("UMAFall", ("waist", "wrist", "pocket", "chest", "ankle"), "CC BY 4.0", True,
        "Casilari, Santoyo-Ramón, Cano-García, Procedia Computer Science 110 (2017) 32-39"),
    "sisfall": Dataset("SisFall", ("waist",), "none stated", False,
        "Sucerquia, López, Vargas-Bonilla, Sensors 17(1):198 (2017)"),
    "kfall": Dataset("KFall", ("lowback",), "research use on request", False,
        "Yu, Jang, Xiong, Frontiers in Aging Neuroscience 13:692865 (2021)"),
    "weda_fall": Dataset("WEDA-FALL", ("wrist",), "none stated", False,
        "Marques, Moreno, IEEE Access 11 (2023)"),
    "mobifall": Dataset("MobiFall v2", ("pocket",), "research use on request", False,
        "Vavoulas, Pediaditis, Chatzaki, Spanakis, Tsiknakis, Int J Monit Surveill Technol Res 2(1) (2014)"),
    "axivity": Dataset("Axivity AX3/AX6 .cwa files", ALL_POSITIONS, "your own", False, ""),
    "csv": Dataset("plain CSV with a column map", ALL_POSITIONS, "your own", False, ""),
}  # fmt: skip
