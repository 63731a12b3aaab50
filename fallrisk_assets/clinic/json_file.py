"""Reading one of the clinic's JSON files object by object, so that a bad line costs that line and no more.

Here: bytes to records with line numbers, whether they come as lines, as one object or as an array. Not here:
what an object of a certain file means. The records are those of `csv_file.py`: cells of text, null and absent
alike empty, so that both kinds of files are read by the same typed cells.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fallrisk_assets.clinic.csv_file import Record, Refusal

LONGEST_PAYLOAD = 10_000
"""Characters of a refused line that are kept; a log's line has some hundred."""
_DECODER_SPACE = " \t\r\n"


class _NotAnObject(ValueError):
    """JSON that is no usable object; the message says why, without the person's data."""


def read_json_lines(data: bytes, aliases: Mapping[str, str]) -> tuple[list[Record], list[Refusal]]:
    """Split JSON Lines into records and the lines that are none.

    Args:
        data: the file as received; UTF-8, a byte order mark is allowed, blank lines are skipped.
        aliases: other spellings of keys, after lower-casing.

    Returns:
        The records in file order, and the refusals: a line that is no JSON object in UTF-8, or names a key
        twice, costs that line (JSON_INVALID).
    """
    records: list[Record] = []
    refusals: list[Refusal] = []
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if raw.strip():
            _judge(number, raw.strip(), aliases, records, refusals)
    return records, refusals


def read_json_objects(data: bytes, aliases: Mapping[str, str]) -> tuple[list[Record], list[Refusal]]:
    """Split a JSON file that holds one object, an array of objects, or a line for each object.

    Args:
        data: the file as received.
        aliases: other spellings of keys, after lower-casing.

    Returns:
        The records and the refusals, as of `read_json_lines`. In an array the number of an element stands for
        its line, from 1; what follows a place at which the array breaks off is one refused line.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").strip()
    if text[:1] == b"[":
        elements = list(_elements(text.decode("utf-8", errors="surrogateescape")))
    elif _is_json(text):
        elements = [text.decode()]
    else:
        return read_json_lines(data, aliases)
    records: list[Record] = []
    refusals: list[Refusal] = []
    for number, element in enumerate(elements, start=1):
        _judge(number, element.encode("utf-8", errors="surrogateescape"), aliases, records, refusals)
    return records, refusals


def _judge(
    number: int, raw: bytes, aliases: Mapping[str, str], records: list[Record], refusals: list[Refusal]
) -> None:
    payload = raw.decode("utf-8", errors="backslashreplace")
    try:
        found = _parse(raw)
        if not isinstance(found, dict):
            raise _NotAnObject("JSON, but no object")
        cells = _cells(found, aliases)
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, _NotAnObject) else "not a JSON object in UTF-8; mend the line"
        refusals.append(Refusal(number, "JSON_INVALID", why, payload[:LONGEST_PAYLOAD]))
    else:
        records.append(Record(number, payload, cells))


def _parse(raw: bytes) -> Any:
    return json.loads(raw.decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_no_number)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NotAnObject("a key stands in it twice; nobody can say which value is meant")
    return found


def _no_number(name: str) -> None:
    raise _NotAnObject(f"{name} is no JSON number")


def _cells(found: Mapping[str, Any], aliases: Mapping[str, str]) -> dict[str, str]:
    cells: dict[str, str] = {}
    for key, value in found.items():
        name = aliases.get(key.strip().lower(), key.strip().lower())
        if name in cells:
            raise _NotAnObject("a key stands in it twice, in two spellings")
        cells[name] = _text(value)
    return cells


def _text(value: Any) -> str:
    """Return a JSON value as the text of a cell: null is empty, a whole float is written without a point."""
    if value is None:
        return ""
    if isinstance(value, str):
        if not value.isprintable() and any(0xD800 <= ord(letter) <= 0xDFFF for letter in value):
            raise _NotAnObject("a text holds half a surrogate pair")
        return value.strip()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return json.dumps(value)


def _is_json(text: bytes) -> bool:
    try:
        _parse(text)
    except _NotAnObject:
        return True
    except (ValueError, RecursionError):
        return False
    return True


def _elements(text: str) -> Iterator[str]:
    """Yield the source text of each element of an array, and what cannot be read as one piece at the end."""
    decoder = json.JSONDecoder()
    at = _after_space(text, 1)
    while at < len(text) and text[at] != "]":
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            yield text[at:]
            return
        yield text[at:end]
        at = _after_space(text, end)
        if at < len(text) and text[at] == ",":
            at = _after_space(text, at + 1)
        elif at < len(text) and text[at] != "]":
            yield text[at:]
            return
    if rest := text[at + 1 :].strip():
        yield rest


def _after_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in _DECODER_SPACE:
        at += 1
    return at
