"""Arbitrary bytes in one file never raise and never touch what other files hold."""

from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fallrisk_assets.recordings.reasons import Reason
from fallrisk_assets.recordings.recording import Skipped, Trial
from fallrisk_assets_tests.recordings import published as made
from fallrisk_assets_tests.recordings.test_readers import MAP, plain


def sisfall(root: Path) -> list[Path]:
    made.sisfall(root, "D07")
    return [made.sisfall(root, "F01")]


def kfall(root: Path) -> list[Path]:
    made.kfall(root, 6)
    sheet = made.xlsx(root / "label_data" / "SA06_label.xlsx", made.KFALL_LABELS)
    return [made.kfall(root), sheet]


def weda_fall(root: Path) -> list[Path]:
    made.weda(root)
    made.weda(root, "D04")
    made.weda_labels(root, ["F01/U01_R01,3.0,8.0"])
    folder = root / "dataset"
    falls = folder / "50Hz" / "F01"
    return [falls / "U01_R01_accel.csv", falls / "U01_R01_gyro.csv", folder / "fall_timestamps.csv"]


def mobifall(root: Path) -> list[Path]:
    made.mobifall(root)
    made.mobifall(root, "WAL")
    folder = root / "sub1" / "FALLS" / "FOL"
    return [folder / "FOL_acc_1_1.txt", folder / "FOL_gyro_1_1.txt"]


def umafall(root: Path) -> list[Path]:
    made.umafall(root, 2)
    return [made.umafall(root, 3)]


def csv(root: Path) -> list[Path]:
    made.write(root / "recordings.toml", MAP)
    plain(root / "kept.csv")
    plain(root / "one.csv")
    return [root / "one.csv"]


PUBLISHED: dict[str, Callable[[Path], list[Path]]] = {
    "sisfall": sisfall,
    "kfall": kfall,
    "weda_fall": weda_fall,
    "mobifall": mobifall,
    "umafall": umafall,
    "csv": csv,
}
KEPT = {
    "sisfall": "D07",
    "kfall": "T06",
    "weda_fall": "D04",
    "mobifall": "WAL",
    "umafall": "Subject_02",
    "csv": "kept",
}


def same(a: Trial, b: Trial) -> bool:
    return all(
        np.array_equal(x, y, equal_nan=x.dtype.kind == "f") if isinstance(x, np.ndarray) else x == y
        for x, y in zip(astuple(a), astuple(b), strict=True)
    )


@pytest.fixture(scope="module", params=PUBLISHED)
def folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, list[Path]]:
    root = tmp_path_factory.mktemp(request.param)
    return request.param, root, PUBLISHED[request.param](root)


def test_reading_twice_gives_the_same(folder: tuple[str, Path, list[Path]]) -> None:
    name, root, _ = folder
    first, second = made.read(name, root), made.read(name, root)
    assert len(first) == len(second) >= 2
    for a, b in zip(first, second, strict=True):
        assert a == b if isinstance(a, Skipped) or isinstance(b, Skipped) else same(a, b)


pieces = st.one_of(
    st.binary(max_size=400),
    st.text("0123456789.,;-+eE \n\r\t#%@DATAnaif\"'", max_size=400).map(str.encode),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_arbitrary_bytes_in_one_file_never_raise_and_never_touch_the_others(
    folder: tuple[str, Path, list[Path]], data: st.DataObject
) -> None:
    name, root, targets = folder
    target = data.draw(st.sampled_from(targets))
    whole = target.read_bytes()
    before = [t for t in made.read(name, root) if isinstance(t, Trial) and KEPT[name] in t.name]
    assert before
    at = data.draw(st.integers(0, len(whole)))
    piece = data.draw(pieces)
    damaged = data.draw(st.sampled_from([piece, whole[:at] + piece, whole[:at] + piece + whole[at:]]))
    try:
        target.write_bytes(damaged)
        found = made.read(name, root)
    finally:
        target.write_bytes(whole)
    after = [t for t in found if isinstance(t, Trial) and KEPT[name] in t.name]
    assert len(before) == len(after)
    assert all(same(a, b) for a, b in zip(before, after, strict=True))
    assert all(s.reason in tuple(Reason) and s.detail for s in found if isinstance(s, Skipped))
    for trial in found:
        if isinstance(trial, Trial):
            assert (np.diff(trial.ts_us) > 0).all()
            assert np.isfinite(trial.accel_g).all()
            assert trial.impact_us is None or 0 <= trial.impact_us <= trial.ts_us[-1]
