"""Messages of a log become drops, and no consumer's misfortune changes what is made of them."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import igzip

from fallrisk_assets.clinic.files import APPOINTMENT_LOG, clinic_file
from fallrisk_assets.clinic.operations.contract import AppointmentEvents, ClinicDrops, OperationsQuarantine
from fallrisk_assets.clinic.operations.day import operations_of_day
from fallrisk_assets.lake.origins import without_origins
from fallrisk_assets.streams.log_drops import Message, appointment_drops, device_of, lines_of, telemetry_drops
from fallrisk_assets.telemetry.clean import Assignment, clean_device_hour
from fallrisk_assets.telemetry.drops import parse_drop_name
from fallrisk_assets.telemetry.gather import gather_device_hour
from fallrisk_assets.telemetry.parse import parse_pieces
from fallrisk_assets.telemetry.parsed import HOUR_US
from fallrisk_assets.telemetry.reasons import Reason
from fallrisk_assets_tests.telemetry.messages import DEVICE, HOUR, HOUR_START_US, PATIENT, line

RECEIVED_MS = round((HOUR + timedelta(minutes=1)).timestamp() * 1000)
WORN = [Assignment(PATIENT, HOUR_START_US - HOUR_US, None, "waist")]

POISON = (
    None,
    b"",
    b"garbage",
    b"\xff\xfe\x00 binary\nin two lines",
    b'{"deviceId":"imu-10001","seq":',
    line(900, patientId="pt-2").encode(),
    line(901, deviceId="imu-other").encode(),
    line(902, ts="2020-01-01T00:00:00Z").encode(),
    (line(903) + "\n" + line(904)).encode(),
)


def a_log(n=60):
    """Messages of one device in one partition, a sample or two each, every fourth one poison."""
    messages = []
    for i in range(n):
        value = POISON[i // 4 % len(POISON)] if i % 4 == 3 else line(i).encode()
        messages.append(Message("telemetry", 0, 100 + i, RECEIVED_MS + 2_500 * i, DEVICE.encode(), value))
    return messages


def judged(drops):
    """What cleaning makes of drops: samples, refused lines, and the counts."""
    parsed = []
    for drop in drops:
        name = parse_drop_name(drop.key)
        content = igzip.decompress(drop.content)
        parsed.append((drop.key, parse_pieces(lambda content=content: (content,), name)))
    cleaned = clean_device_hour(gather_device_hour(DEVICE, parsed, HOUR_START_US), WORN, HOUR_START_US)
    refused = cleaned.quarantine
    found = sorted(
        (refused.findings[code], int(ts) if refused.findings[code][0] != Reason.TIME_IMPLAUSIBLE else 0)
        for code, ts in zip(refused.finding, refused.ts_us, strict=True)
        if refused.findings[code][0] != Reason.TIME_IMPLAUSIBLE
    )
    late = sum(refused.findings[c][0] == Reason.TIME_IMPLAUSIBLE for c in refused.finding)
    samples = np.c_[cleaned.ts_us, cleaned.boot, cleaned.seq].tolist()
    lines = cleaned.received_lines - cleaned.duplicate_lines
    counts = {patient: (c.received - c.duplicates, c.quarantined) for patient, c in cleaned.lines.items()}
    return samples, [(str(r), d.partition("; ")[0]) for (r, d), _ in found], late, lines, counts


ONCE = judged(telemetry_drops(a_log()))


def test_every_line_of_a_log_is_a_sample_or_refused_with_a_reason():
    samples, refused, late, lines, _ = ONCE
    assert lines == len(samples) + len(refused) + late
    assert late == 1
    assert {reason for reason, _ in refused} == {"LINE_NOT_JSON", "PATIENT_MISMATCH", "DEVICE_MISMATCH"}
    assert lines == sum(len(lines_of(m)) for m in a_log())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 59), st.integers(1, 60)), max_size=6), st.randoms())
def test_crashes_zombies_and_replays_change_nothing(ranges, random):
    """Whatever ranges were put besides, in whatever order, as long as every message was put once."""
    log = a_log()
    cut = random.randrange(1, len(log))
    covered = [log[:cut], log[cut:], *(log[start : start + n] for start, n in ranges)]
    drops = {drop.key: drop for part in covered for drop in telemetry_drops(part)}
    shuffled = list(drops.values())
    random.shuffle(shuffled)
    assert judged(shuffled) == ONCE


def test_the_same_range_gives_the_same_names_and_bytes():
    assert telemetry_drops(a_log()) == telemetry_drops(reversed(a_log()))


def test_a_line_is_received_in_the_same_minute_whatever_range_it_is_in():
    def minutes(drops):
        found = {}
        for drop in drops:
            _, origins = without_origins(igzip.decompress(drop.content))
            minute = parse_drop_name(drop.key).received_at.replace(second=0)
            found |= {int(o): minute for o in origins.offset if o}
        return found

    log = a_log()
    assert minutes(telemetry_drops(log)) == minutes(
        [*telemetry_drops(log[:31]), *telemetry_drops(log[20:40]), *telemetry_drops(log[31:])]
    )


@pytest.mark.parametrize(
    ("key", "value", "device"),
    [
        (b"imu-7", b"{}", "imu-7"),
        (None, b'{"deviceId": "imu-8"}', "imu-8"),
        (b"a/b", b'{"deviceId":"imu-9"}', "imu-9"),
        (b"../../etc", None, "kafka-telemetry-0"),
        (b"", b"garbage", "kafka-telemetry-0"),
        (b"x" * 65, b"\xff", "kafka-telemetry-0"),
    ],
)
def test_a_message_of_nobody_lands_in_a_drop_of_its_partition(key, value, device):
    message = Message("telemetry", 0, 5, RECEIVED_MS, key, value)
    assert device_of(message) == device
    (drop,) = telemetry_drops([message])
    assert parse_drop_name(drop.key).device_id == device


def test_a_topic_of_the_longest_name_has_a_drop_too():
    message = Message("t" * 249, 12, 5, RECEIVED_MS, None, b"garbage")
    (drop,) = telemetry_drops([message])
    assert len(parse_drop_name(drop.key).device_id) <= 64
    assert without_origins(igzip.decompress(drop.content))[0] == b"garbage\n"


def test_a_refused_line_says_where_in_the_log_it_stands():
    (drop,) = telemetry_drops([Message("telemetry", 2, 41, RECEIVED_MS, DEVICE.encode(), b"garbage")])
    content = igzip.decompress(drop.content)
    parsed = parse_pieces(lambda: (content,), parse_drop_name(drop.key))
    assert parsed.bad_lines[0].detail.endswith("; telemetry[2] at 41")
    assert parsed.bad_lines[0].payload == "garbage"


def appointment_log(n=12):
    scheduled = (
        '{"event_type":"appointment_scheduled","appointment_id":"APT%06d","patient_id":"PAT000001",'
        '"provider_id":"PROV0001","timestamp":"2026-01-05T06:00:00Z",'
        '"scheduled_start_at":"2026-01-07T10:00:00Z"}'
    )
    values = [b"garbage" if i % 3 == 2 else (scheduled % i).encode() for i in range(n)]
    return [
        Message("appointment_events", 1, i, RECEIVED_MS + 9_000 * i, None, v) for i, v in enumerate(values)
    ]


def of_the_day(drops):
    content = {drop.key: drop.content for drop in drops}
    files = sorted(f for key in content if (f := clinic_file(key)) is not None)
    assert all(file.kind == APPOINTMENT_LOG for file in files)
    tables = operations_of_day(HOUR.date(), files, [], content)
    events = tables[AppointmentEvents].drop_columns(["file", "line"]).sort_by("appointment_id").to_pylist()
    refused = sorted(tables[OperationsQuarantine]["detail"].to_pylist())
    for row in tables[ClinicDrops].to_pylist():
        kept = row["clean_lines"] + row["duplicate_lines"] + row["quarantined_lines"]
        assert kept == row["received_lines"]
    return events, refused


def test_appointment_events_that_are_consumed_twice_count_once():
    log = appointment_log()
    once = of_the_day(appointment_drops(log))
    assert (len(once[0]), len(once[1])) == (8, 4)
    again = [*appointment_drops(log[:7]), *appointment_drops(log[3:]), *appointment_drops(log)]
    assert of_the_day(again) == once


def test_the_same_words_at_another_offset_are_another_poison_line():
    log = [replace(m, value=b"garbage") for m in appointment_log(3)]
    assert len(of_the_day(appointment_drops(log))[1]) == 3
