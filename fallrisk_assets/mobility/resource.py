"""The windows' length and hop as a Dagster resource, so that an environment can set them.

Here: the settings. Not here: what a window is (`windows.py`).
"""

import dagster as dg

from fallrisk_assets.mobility.windows import WindowConfig
from fallrisk_assets.telemetry.ingest import TAIL_S


class WindowSettings(dg.ConfigurableResource):
    """How windows are cut; a change makes every hour count as changed.

    Attributes:
        length_s: Length of a window, at most the tail of an hour that samples keep a hash of (15 s).
        hop_s: Distance between the starts of two windows.
    """

    length_s: float = 10.0
    hop_s: float = 5.0

    def config(self) -> WindowConfig:
        """Return the windows' configuration.

        Raises:
            ValueError: windows longer than the tail: an hour would not notice that the hour before changed.
        """
        if self.length_s > TAIL_S:
            raise ValueError(
                f"windows of {self.length_s} s reach further back than the tail of {TAIL_S} s: shorten them"
            )
        return WindowConfig(length_s=self.length_s, hop_s=self.hop_s)
