import threading

from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.sensors import _watch
from fallrisk_assets.telemetry.requests import LandingCursor

DROP = "20260105T071000Z-imu-1-aaaaaaaa.jsonl.gz"


def folder_of(tmp_path):
    folder = tmp_path / "telemetry"
    folder.mkdir()
    return folder


def test_a_drop_that_lands_while_the_sensor_watches_is_found_at_once(tmp_path):
    folder = folder_of(tmp_path)
    landing = Landing(root=str(tmp_path), watch_s=30.0)

    def land() -> None:
        (folder / f".{DROP}").write_bytes(b"x")
        (folder / f".{DROP}").rename(folder / DROP)

    later = threading.Timer(0.3, land)
    later.start()
    found = _watch(landing, LandingCursor())
    later.join()
    assert [f.key for files in found.by_hour.values() for f in files] == [f"telemetry/{DROP}"]


def test_without_time_to_watch_the_sensor_answers_right_away(tmp_path):
    folder_of(tmp_path)
    assert _watch(Landing(root=str(tmp_path)), LandingCursor()).by_hour == {}
