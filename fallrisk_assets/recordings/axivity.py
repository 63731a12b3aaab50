"""Axivity AX3 and AX6 `.cwa` files: days of one person's life, with no labels.

Belongs here: a file's blocks, what its annotation tells, and the samples as a trial. The samples are decoded
by `actfast` (MIT). A file is a header of 1,024 bytes and blocks of 512; the 16-bit words of a good block add
up to zero. A bad one is reported by its number, counted from 0 after the header, and left out.

Source: Open Movement's description of the CWA format (AX3/AX6 technical documentation).
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import actfast
import numpy as np

from fallrisk_assets.recordings.folders import files_in, root_of
from fallrisk_assets.recordings.reasons import Reason, Unusable
from fallrisk_assets.recordings.recording import Skipped, Source, Trial
from fallrisk_assets.recordings.timing import increasing, to_us

HEADER_BYTES = 1024
BLOCK_BYTES = 512
#: Words of the annotation's body location (`_p`) by position; a thigh is not called a pocket.
PLACES = {
    "wrist": "wrist",
    "waist": "waist",
    "hip": "waist",
    "ankle": "ankle",
    "chest": "chest",
    "back": "lowback",
}


def sources(folder: Path, position: str | None) -> list[Source]:
    """The `.cwa` files of a folder."""
    root = root_of(folder, lambda path: bool(_files(path)), "Axivity", "a .cwa file")
    return [Source(path.name, path.stem, "", partial(_load, path, position)) for path in _files(root)]


def _files(root: Path) -> list[Path]:
    return [path for path in files_in(root, "*") if path.suffix.lower() == ".cwa"]


def bad_blocks(content: bytes) -> list[int]:
    """Numbers of the data blocks whose checksum is wrong, and of a last one that is not whole."""
    body = content[HEADER_BYTES:]
    whole = len(body) // BLOCK_BYTES
    words = np.frombuffer(body[: whole * BLOCK_BYTES], "<u2").reshape(whole, BLOCK_BYTES // 2)
    bad = np.flatnonzero(words.sum(axis=1, dtype=np.uint64) % 65_536).tolist()
    return bad + ([whole] if len(body) % BLOCK_BYTES else [])


def _load(path: Path, position: str | None) -> Iterator[Trial | Skipped]:
    content = path.read_bytes()
    if not content.startswith(b"MD") or len(content) <= HEADER_BYTES:
        raise Unusable(Reason.FILE_UNREADABLE, "not an Axivity file: it does not begin with MD")
    blocks = (len(content) - HEADER_BYTES + BLOCK_BYTES - 1) // BLOCK_BYTES
    bad = bad_blocks(content)
    del content
    decoded = _decode(path)
    facts = _annotation(decoded["metadata"].get("session", {}).get("annotation", ""))
    subject = facts.get("_sc") or path.stem
    place = _place(facts.get("_p", ""))
    for block in bad:
        at = HEADER_BYTES + block * BLOCK_BYTES
        detail = f"block {block} of {blocks} (byte {at}): its checksum is wrong; its samples are left out"
        yield Skipped(
            "axivity", path.name, subject, place or position or "", str(Reason.BLOCK_CORRUPTED), detail
        )
    if position is not None and place is not None and place != position:
        detail = f"worn at the {place} by its annotation, not at the {position}"
        yield Skipped("axivity", path.name, subject, place, str(Reason.POSITION_NOT_RECORDED), detail)
        return
    worn = place or position
    if worn is None:
        raise Unusable(Reason.POSITION_UNKNOWN, "its annotation does not tell where it was worn")
    samples = decoded["timeseries"].get("high_frequency", {})
    if "acceleration" not in samples or len(samples["datetime"]) == 0:
        raise Unusable(Reason.FILE_UNREADABLE, "no block with samples can be decoded", blocks, len(bad))
    stamps_ns = samples["datetime"]
    since_us = to_us((stamps_ns - stamps_ns[0]).astype(np.float64), 1e-3)
    rows = increasing(since_us)
    gyro = samples.get("gyroscope")
    notes = []
    if bad:
        notes.append(f"BLOCK_CORRUPTED: {len(bad)} of {blocks} blocks are left out")
    if len(rows) < len(since_us):
        notes.append(f"TIME_DUPLICATE: {len(since_us) - len(rows)} samples repeat a time and are left out")
    yield Trial(
        dataset="axivity",
        name=path.stem,
        subject=subject,
        age=None,
        sex={"m": "M", "f": "F"}.get(facts.get("_se", "")[:1].lower()),
        movement="free living",
        description="free living, nothing is labelled",
        is_fall=False,
        position=worn,
        ts_us=since_us[rows] - since_us[rows[:1]],
        accel_g=np.ascontiguousarray(samples["acceleration"][rows], np.float32),
        gyro_dps=np.full((len(rows), 3), np.nan, np.float32)
        if gyro is None
        else np.ascontiguousarray(gyro[rows], np.float32),
        notes=tuple(notes),
    )


def _decode(path: Path) -> Any:
    try:
        return actfast.read(path, lenient=True)
    except Exception as error:
        raise Unusable(Reason.FILE_UNREADABLE, f"{type(error).__name__}: {error}"[:200]) from error
    except BaseException as error:
        # A panic of the compiled decoder is no Exception, and is about this file all the same.
        if type(error).__name__ != "PanicException":
            raise
        raise Unusable(Reason.FILE_UNREADABLE, f"the decoder gave up: {error}"[:200]) from error


def _annotation(text: str) -> dict[str, str]:
    """Keys and values of the recording's set-up, written as a query: `_p=right+wrist&_sc=26`."""
    return {key: values[0].strip() for key, values in parse_qs(text, errors="replace").items()}


def _place(words: str) -> str | None:
    found = {PLACES[word] for word in re.findall(r"[a-z]+", words.lower()) if word in PLACES}
    return found.pop() if len(found) == 1 else None
