"""A pull gives a drop like a file's; one that stopped goes on, and nothing is dropped twice or lost."""

import datetime as dt
import json

import pytest

from fallrisk_assets.clinic.files import FOLDER, SCHEDULING_API, clinic_file
from fallrisk_assets.clinic.operations.log import parse_log
from fallrisk_assets.clinic.operations.vocabulary import BY_API
from fallrisk_assets.clinic.scheduling.client import Refused, Unavailable
from fallrisk_assets.clinic.scheduling.pull import pull
from fallrisk_assets.clinic.scheduling.spool import PLACE, Spool
from fallrisk_assets.lake import objects
from fallrisk_assets_tests.clinic.scheduling.conftest import NOON, lines_of
from simulator.clinic_day import record_line
from simulator.scheduling import known_at
from simulator.scheduling_server import UNAVAILABLE

LATER = NOON + dt.timedelta(minutes=3)


def later() -> dt.datetime:
    return LATER


def drops(landing) -> list[str]:
    return [file.key for file in landing.list(FOLDER)]


@pytest.fixture
def known(cohort):
    return {one.appointment_id: one for one in known_at(cohort[1], NOON)}


def test_everything_known_is_dropped_once_over_many_pages(ask, spool, landing, known, system):
    found = pull(ask(), spool, later, page_size=7)
    assert len(known) > 50
    assert drops(landing) == [found.key]
    dropped = [json.loads(line) for line in lines_of(landing, [found.key])]
    assert {one["appointment_id"]: one for one in dropped} == {k: v.record for k, v in known.items()}
    assert found.appointments == len(dropped) == len(known)
    asked = [path for path in system.requests if path.startswith("/v1/appointments/")]
    assert len(asked) == len(set(asked)) == len(known)
    assert len([path for path in system.requests if "cursor=" in path]) > 5


def test_the_drop_is_one_of_the_clinics_files_and_every_line_of_it_is_read(ask, spool, landing, known):
    file = clinic_file(pull(ask(), spool, later).key)
    assert (file.kind, file.received_at) == (SCHEDULING_API, LATER)
    log = parse_log(file.name, landing.read(file.key), LATER.date(), LATER, {}, by_api=True)
    assert log.refusals == []
    assert len(log.records) == len(known)
    assert {row["source"] for row in log.records} == {BY_API}
    assert {"Scheduled", "Completed"} <= {row["status"] for row in log.records}


def test_an_ended_visit_reads_as_it_does_in_the_clinics_own_export(ask, spool, landing, cohort):
    providers, visits = cohort
    file = clinic_file(pull(ask(), spool, later).key)
    zones = {p.provider_id: p.time_zone for p in providers}
    at = LATER.date(), LATER, zones
    api = parse_log(file.name, landing.read(file.key), *at, by_api=True).records
    ended = {row["appointment_id"]: row for row in api if row["status"] != "Scheduled"}
    export = "\n".join(record_line(v) for v in visits if v.appointment_id in ended).encode()
    own = {row["appointment_id"]: row for row in parse_log("own", export, *at).records}
    assert len(own) > 30
    where = ("file", "line", "source", "content_hash", "recorded_at", "time_flag")
    for one, row in own.items():
        assert {k: v for k, v in row.items() if k not in where} == {
            k: v for k, v in ended[one].items() if k not in where
        }


def test_the_next_pull_asks_for_what_changed_and_what_lies_ahead_only(ask, spool, landing, system, cohort):
    first = pull(ask(), spool, later)
    system.at = NOON + dt.timedelta(hours=6)
    second = pull(ask(), spool, lambda: system.at)
    assert 0 < second.appointments < first.appointments
    ids = {json.loads(line)["appointment_id"] for line in lines_of(landing, [second.key])}
    then = {one.appointment_id: one for one in known_at(cohort[1], system.at)}
    changed = {k for k, one in then.items() if one.updated_at > NOON}
    fortnight = system.at, system.at + dt.timedelta(days=14)
    ahead = {
        k
        for k, one in then.items()
        if one.record["status"] == "Scheduled" and fortnight[0] <= one.starts_at < fortnight[1]
    }
    assert changed
    assert ahead
    assert ids == changed | ahead
    assert spool.mark() == "2026-01-06T18:00:00Z"


@pytest.mark.parametrize("stops_at", [2, 9, 40, 75])
def test_a_pull_that_stopped_goes_on_from_its_last_page(stops_at, ask, spool, landing, system, known):
    system.troubles = {stops_at: UNAVAILABLE}
    with pytest.raises(Unavailable):
        pull(ask(retries=0), spool, later, page_size=7)
    assert drops(landing) == []
    assert spool.mark() is None
    asked_before = set(system.requests)
    pages_kept = len(spool.pages())
    assert (pages_kept > 0) == (stops_at > 8)  # the list and seven details make a page
    kept = {one for page in spool.pages() for one in page.appointment_ids}
    system.troubles = {}
    system.requests.clear()
    found = pull(ask(retries=0), spool, later, page_size=7)
    assert found.pages_resumed == pages_kept
    assert len(asked_before) == stops_at
    assert not {f"/v1/appointments/{one}" for one in kept} & set(system.requests)
    dropped = [json.loads(line)["appointment_id"] for line in lines_of(landing, drops(landing))]
    assert sorted(dropped) == sorted(known)


def test_who_stops_between_the_drop_and_the_mark_drops_the_same_again(ask, landing, monkeypatch):
    whole, written = objects.write_whole, []

    def stop_at_mark(filesystem, path, raw):
        if path.endswith("mark.json"):
            raise OSError("the machine stopped")
        written.append(path)
        whole(filesystem, path, raw)

    monkeypatch.setattr(objects, "write_whole", stop_at_mark)
    with pytest.raises(OSError, match="stopped"):
        pull(ask(), Spool(landing), later)
    monkeypatch.undo()
    before = drops(landing)
    found = pull(ask(), Spool(landing), lambda: LATER + dt.timedelta(days=1))
    assert before == drops(landing) == [found.key]


def test_what_changes_while_a_pull_is_stopped_is_in_the_next_one(ask, spool, landing, system, cohort):
    system.troubles = {40: UNAVAILABLE}
    with pytest.raises(Unavailable):
        pull(ask(retries=0), spool, later, page_size=7)
    system.troubles, system.at = {}, NOON + dt.timedelta(hours=3)
    pull(ask(), spool, lambda: system.at, page_size=7)
    assert spool.mark() == "2026-01-06T12:00:00Z"
    pull(ask(), spool, lambda: system.at + dt.timedelta(minutes=1), page_size=7)
    newest = {
        record["appointment_id"]: record
        for key in drops(landing)
        for record in map(json.loads, lines_of(landing, [key]))
    }
    assert newest == {one.appointment_id: one.record for one in known_at(cohort[1], system.at)}


def test_an_appointment_that_is_gone_when_it_is_asked_for_is_counted(ask, spool, system, known):
    whole = system.known
    gone = next(iter(known))
    answer = system.answer
    system.answer = lambda path, query: None if path == f"appointments/{gone}" else answer(path, query)
    found = pull(ask(), spool, later)
    assert (found.gone, found.appointments) == (1, len(whole(NOON)) - 1)


def test_nothing_known_gives_no_drop_and_a_mark(ask, spool, landing, system):
    system.known = lambda at: []
    assert pull(ask(), spool, later).key is None
    assert drops(landing) == []
    assert spool.mark() == "2026-01-06T12:00:00Z"


@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        ("appointments", {"as_of": "x", "items": "none"}, "no list of items"),
        ("appointments", {"items": []}, "no text as_of"),
        ("appointments", {"as_of": "x", "items": [{}]}, "no text appointment_id"),
        ("appointments", {"as_of": "x", "items": [], "next": 7}, "would not end"),
        ("providers", None, "is the address right"),
    ],
)
def test_an_answer_that_breaks_the_contract_is_refused_and_drops_nothing(
    path, answer, said, ask, spool, landing, system
):
    plain = system.answer
    system.answer = lambda asked, query: answer if asked == path else plain(asked, query)
    with pytest.raises(Refused, match=said):
        pull(ask(), spool, later)
    assert drops(landing) == []


def test_a_finished_pull_leaves_nobodys_data_beside_the_drops(ask, spool, landing):
    pull(ask(), spool, later)
    assert [file.key for file in landing.list(PLACE)] == [f"{PLACE}/mark.json"]
    assert landing.list(f"{PLACE}/pull") == []
