import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from fallrisk_assets.warehouse.resource import Warehouse
from fallrisk_assets_tests.warehouse.operations.rows import known


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Warehouse]:
    """Make warehouses whose dimensions are filled: copies of one, which is quicker than filling each."""
    folder = tmp_path_factory.mktemp("warehouses")
    template = known(Warehouse(folder=str(folder / "template"))).path
    numbers = count()

    def make() -> Warehouse:
        place: Path = folder / str(next(numbers))
        place.mkdir()
        shutil.copy(template, place / template.name)
        return Warehouse(folder=str(place))

    return make


@pytest.fixture
def warehouse(fresh: Callable[[], Warehouse]) -> Warehouse:
    return fresh()
