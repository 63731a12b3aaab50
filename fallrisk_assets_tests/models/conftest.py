"""A small source on disk and wear that costs nothing, made once for all tests of training."""

import pytest

from fallrisk_assets.models.resource import Recordings
from fallrisk_assets_tests.models.recordings import sketched_wear, write_source


@pytest.fixture(scope="session")
def recordings_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    write_source(folder / "umafall")
    return folder


@pytest.fixture(scope="session")
def recordings(recordings_folder):
    return Recordings(folder=str(recordings_folder))


@pytest.fixture(scope="session")
def wear():
    return sketched_wear()
