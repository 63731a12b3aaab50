"""Files that people open: pages, FHIR bundles, exports. Published whole or not at all.

What belongs here: where reports are and how one appears in one step. What does not: their content.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import dagster as dg

from fallrisk_assets.lake.resource import data_folder


class Reports(dg.ConfigurableResource):
    """A local folder of reports.

    Attributes:
        root: Folder; empty means `<data folder>/reports`.
    """

    root: str = ""

    @cached_property
    def folder(self) -> Path:
        """The reports' folder, made where it does not exist."""
        path = Path(self.root or Path(data_folder()) / "reports").absolute()
        path.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, content: str | bytes) -> Path:
        """Write one file in one step; a reader sees the old content or the new, never a part."""
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f".{target.name}.{uuid.uuid4().hex}"
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(temporary, target)
        return target

    @contextmanager
    def replace_folder(self, name: str) -> Iterator[Path]:
        """Yield an empty folder that takes the place of `name` when the block ends without an error.

        The swap is two renames: for the moment between them the folder is absent, never half filled.
        """
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.parent / f".{target.name}.{uuid.uuid4().hex}"
        fresh.mkdir()
        try:
            yield fresh
        except BaseException:
            shutil.rmtree(fresh)
            raise
        if target.exists():
            old = target.parent / f".{target.name}.{uuid.uuid4().hex}"
            os.rename(target, old)
            os.rename(fresh, target)
            shutil.rmtree(old)
        else:
            os.rename(fresh, target)
