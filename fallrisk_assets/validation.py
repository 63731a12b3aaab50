"""Judging rows by their contract: masks on all rows, pandera on a sample.

What belongs here: the verdict on rows and how it is told. What does not: how a table is declared
(`contract.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.contract import ContractType, arrow_schema, columns_of, schema_relaxed

NULL_VALUE = "NULL_VALUE"
VALUE_NOT_FINITE = "VALUE_NOT_FINITE"
KEY_NOT_UNIQUE = "KEY_NOT_UNIQUE"
SCHEMA_MISMATCH = "SCHEMA_MISMATCH"
OUTSIDE_SLICE = "OUTSIDE_SLICE"

#: Column of derived tables that names, row by row, the measures that the contract refused.
WITHDRAWN = "withdrawn"

#: Rows of a table that pandera sees.
SAMPLE_ROWS = 48
_SHOWN_ROWS = 5
_MANY_COLUMNS, _FEW_ROWS = 32, 20_000


def _numeric_breaks(values: np.ndarray, name: str, stats: dict[str, Any]) -> np.ndarray | None:
    """Return a mask of broken values, or None when all hold (decided on the extremes alone)."""
    low, high = values.min(), values.max()
    if name == "greater_than_or_equal_to":
        return None if low >= stats["min_value"] else values < stats["min_value"]
    if name == "greater_than":
        return None if low > stats["min_value"] else values <= stats["min_value"]
    if name == "less_than_or_equal_to":
        return None if high <= stats["max_value"] else values > stats["max_value"]
    if name == "less_than":
        return None if high < stats["max_value"] else values >= stats["max_value"]
    if name == "isin":
        broken = ~np.isin(values, stats["allowed_values"])
        return broken if broken.any() else None
    raise NotImplementedError(f"no row mask for the check {name}")


def _text_breaks(values: pa.Array, name: str, stats: dict[str, Any]) -> np.ndarray | None:
    """Return a mask of broken texts (nulls pass), looking at each distinct text once."""
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    if name == "isin":
        good = pc.is_in(encoded.dictionary, pa.array(stats["allowed_values"], pa.string()))
    elif name == "str_matches":
        good = pc.match_substring_regex(encoded.dictionary, stats["pattern"])
    else:
        raise NotImplementedError(f"no row mask for the check {name} on text")
    if pc.all(good).as_py() in (True, None):
        return None
    return pc.invert(pc.fill_null(good.take(encoded.indices), True)).to_numpy(zero_copy_only=False)


def _duplicate_mask(data: pa.Table, key: tuple[str, ...]) -> np.ndarray | None:
    """Return a mask of rows whose key has been seen in an earlier row, or None."""
    varying = []
    for name in key:
        values = data[name]
        plain = pa.types.is_string(values.type) or pa.types.is_dictionary(values.type)
        if not plain and not values.null_count:
            extremes = pc.min_max(values).as_py()
            if extremes["min"] == extremes["max"]:
                continue
            if pa.types.is_integer(values.type) or pa.types.is_timestamp(values.type):
                numbers = values.cast(pa.int64()).to_numpy()
                if (np.diff(numbers) > 0).all():
                    return None
        varying.append(name)
    if not varying:
        varying = list(key[:1])
    duplicated = data.select(varying).to_pandas().duplicated().to_numpy()
    return duplicated if duplicated.any() else None


class KeysSeen:
    """Tells whether the keys of a piece of rows can be those of pieces before it, from extremes alone.

    Each piece has unique keys; two pieces are apart when they are in one column of the key: other texts, or
    numbers and times that do not overlap. That is a look at each column's extremes, and at each distinct
    text; whether a doubtful piece does repeat a key must be asked of the rows themselves.
    """

    def __init__(self, key: tuple[str, ...]) -> None:
        self._key = key
        self._pieces: list[list[frozenset[Any] | tuple[Any, Any] | None]] = []
        self._words: list[set[Any]] = [set() for _ in key]

    def add(self, data: pa.Table) -> bool:
        """Note a piece; True where its keys cannot have been seen before."""
        spans = [_span(data[name]) for name in self._key]
        apart = any(
            isinstance(span, frozenset) and not span & seen
            for span, seen in zip(spans, self._words, strict=True)
        ) or all(
            any(_apart(one, other) for one, other in zip(spans, earlier, strict=True))
            for earlier in self._pieces
        )
        self._pieces.append(spans)
        for span, seen in zip(spans, self._words, strict=True):
            if isinstance(span, frozenset):
                seen |= span
        return apart


def _span(values: pa.ChunkedArray) -> frozenset[Any] | tuple[Any, Any] | None:
    """Return a column's distinct texts, or its least and greatest value; None where all are null."""
    if pa.types.is_dictionary(values.type) or pa.types.is_string(values.type):
        return frozenset(word for chunk in values.chunks for word in _words(chunk))
    extremes = pc.min_max(values).as_py()
    return None if extremes["min"] is None else (extremes["min"], extremes["max"])


def _words(chunk: pa.Array) -> list[Any]:
    if pa.types.is_dictionary(chunk.type):  # it may hold words that no row has: then too much is doubted
        return [*chunk.dictionary.to_pylist(), *([None] if chunk.null_count else [])]
    return pc.unique(chunk).to_pylist()


def _apart(one: Any, other: Any) -> bool:
    if isinstance(one, frozenset):
        return not one & other
    return one is not None and other is not None and (one[1] < other[0] or other[1] < one[0])


def _to_numpy(values: pa.Array) -> np.ndarray:
    """Return numbers, dates and times as a numpy array; the caller has dropped the nulls."""
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        values = values.cast(pa.int64() if pa.types.is_timestamp(values.type) else pa.int32())
    return values.to_numpy(zero_copy_only=False)


def _sound_floats(model: ContractType, data: pa.Table) -> set[str]:
    """Return float columns in which nothing is broken, found for all of them at once.

    For tables of many columns and few rows, where looking at each column by itself costs more than its rows.
    """
    infos = [c for c in columns_of(model) if pa.types.is_float32(c.type)]
    if len(infos) < _MANY_COLUMNS or data.num_rows > _FEW_ROWS:
        return set()
    values = np.stack([data[c.name].to_numpy() for c in infos])  # nulls become not a number
    nulls = np.array([data[c.name].null_count for c in infos])
    missing = np.isnan(values)
    sound = missing.sum(axis=1) == nulls
    sound &= (nulls == 0) | np.array([c.nullable for c in infos])
    low = np.where(missing, np.inf, values).min(axis=1)
    high = np.where(missing, -np.inf, values).max(axis=1)
    known = nulls < data.num_rows
    sound &= ~known | (np.isfinite(low) & np.isfinite(high))
    for i in np.flatnonzero(sound & known).tolist():
        extremes = np.array([low[i], high[i]], np.float32)
        sound[i] = all(
            name != "isin" and _numeric_breaks(extremes, name, stats) is None
            for name, stats in infos[i].checks
        )
    return {c.name for c, is_sound in zip(infos, sound.tolist(), strict=True) if is_sound}


def row_masks(model: ContractType, data: pa.Table) -> dict[tuple[str, str], np.ndarray]:
    """Return, for every rule that some row breaks, a boolean mask of the rows that break it.

    The masks are read from the pandera model's own checks; a column whose extremes hold costs one
    pass. Not a number is refused in every float column: an unknown value is null.

    Args:
        model: The contract.
        data: Rows with the contract's columns.

    Returns:
        `(column, reason) -> mask` of shape `(rows,)`, without the rules that all rows keep.
    """
    masks: dict[tuple[str, str], np.ndarray] = {}

    def add(name: str, reason: str, mask: np.ndarray) -> None:
        masks[name, reason] = masks[name, reason] | mask if (name, reason) in masks else mask

    if data.num_rows == 0:
        return masks
    sound = _sound_floats(model, data)
    for info in columns_of(model):
        if info.name in sound:
            continue
        values = data[info.name]
        if values.num_chunks != 1:
            values = values.combine_chunks()
        array = values.chunk(0) if isinstance(values, pa.ChunkedArray) else values
        valid = None
        if array.null_count:
            valid = array.is_valid().to_numpy(zero_copy_only=False)
            if not info.nullable:
                add(info.name, NULL_VALUE, ~valid)
        if pa.types.is_string(info.type):
            for name, stats in info.checks:
                if (mask := _text_breaks(array, name, stats)) is not None:
                    add(info.name, info.reason, mask)
            continue
        if not info.checks and not pa.types.is_floating(info.type):
            continue
        numbers = _to_numpy(array.drop_null() if valid is not None else array)
        if numbers.size == 0:
            continue

        def widen(mask: np.ndarray, valid: np.ndarray | None = valid) -> np.ndarray:
            if valid is None:
                return mask
            full = np.zeros(len(valid), bool)
            full[valid] = mask
            return full

        if pa.types.is_floating(info.type) and not np.isfinite(numbers.sum(dtype=np.float64)):
            finite = np.isfinite(numbers)
            if not finite.all():
                add(info.name, VALUE_NOT_FINITE, widen(~finite))
                numbers = np.where(finite, numbers, np.nan)
        with np.errstate(invalid="ignore"):
            for name, stats in info.checks:
                if (mask := _numeric_breaks(numbers, name, stats)) is not None and mask.any():
                    add(info.name, info.reason, widen(mask))
    for rule in model.spec.rules:
        broken = rule.broken(data)
        if pc.any(broken).as_py():
            add(f"{rule.left} {rule.operator} {rule.right}", rule.reason, broken.to_numpy())
    if (duplicated := _duplicate_mask(data, model.spec.key)) is not None:
        add(", ".join(model.spec.key), KEY_NOT_UNIQUE, duplicated)
    return masks


@dataclass(slots=True)
class ContractReport:
    """The verdict of a contract on rows: counts by reason, and the first rows that failed.

    Attributes:
        rows: Rows looked at.
        failed_rows: Rows that break at least one rule.
        counts: Broken rows by `column: REASON`.
        examples: First failing rows, personal data masked.
        withdrawn: Measures that are null because the contract refuses them, by column.
    """

    model: ContractType
    rows: int = 0
    failed_rows: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)
    withdrawn: dict[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every row keeps the contract."""
        return not self.counts

    def merge(self, other: "ContractReport") -> None:
        """Add the verdict on further rows of the same table."""
        self.rows += other.rows
        self.failed_rows += other.failed_rows
        for reason, count in other.counts.items():
            self.counts[reason] = self.counts.get(reason, 0) + count
        self.examples = (self.examples + other.examples)[:_SHOWN_ROWS]
        for name, count in other.withdrawn.items():
            self.withdrawn[name] = self.withdrawn.get(name, 0) + count

    def refuse(self, refusals: Mapping[int, str]) -> None:
        """Add rows that were refused one by one, with their reasons."""
        self.failed_rows += len(refusals)
        for reason in refusals.values():
            self.counts[reason] = self.counts.get(reason, 0) + 1

    def sentence(self) -> str:
        """Return the verdict in words, for a person."""
        if self.passed:
            return f"All {self.rows:,} rows keep the contract of {self.model.spec.identifier}."
        reasons = ", ".join(f"{n:,} × {reason}" for reason, n in sorted(self.counts.items()))
        name = self.model.spec.identifier
        return f"{self.failed_rows:,} of {self.rows:,} rows break the contract of {name}: {reasons}."


def masked(model: ContractType, row: dict[str, Any]) -> dict[str, str]:
    """Return a row as text in which direct and sensitive personal data cannot be read."""
    shown = {}
    for info in columns_of(model):
        value = row.get(info.name)
        hidden = info.pii in ("direct", "sensitive", "quasi") and value is not None
        shown[info.name] = "•••" if hidden else str(value)
    return shown


def judge_rows(model: ContractType, data: pa.Table) -> ContractReport:
    """Judge all rows by the masks.

    Args:
        model: The contract.
        data: Rows to judge; any schema (a wrong one is a refusal).
    """
    report = ContractReport(model, rows=data.num_rows)
    schema = arrow_schema(model)
    if data.schema.names != schema.names or any(
        a.type != b.type and not (pa.types.is_dictionary(a.type) and a.type.value_type == b.type)
        for a, b in zip(data.schema, schema, strict=True)
    ):
        report.counts[f"schema: {SCHEMA_MISMATCH}"] = max(data.num_rows, 1)
        report.failed_rows = data.num_rows
        return report
    masks = row_masks(model, data)
    if not masks:
        return report
    _tell(report, data, {f"{name}: {reason}": mask for (name, reason), mask in masks.items()})
    return report


def _tell(report: ContractReport, data: pa.Table, masks: Mapping[str, np.ndarray]) -> None:
    """Put broken rows into a report: how many by reason, and the first of them."""
    failed = np.zeros(data.num_rows, bool)
    for reason, mask in masks.items():
        failed |= mask
        report.counts[reason] = int(mask.sum())
    report.failed_rows = int(failed.sum())
    shown = np.flatnonzero(failed)[:_SHOWN_ROWS]
    rows = data.take(pa.array(shown)).to_pylist()
    for i, row in zip(shown.tolist(), rows, strict=True):
        why = "; ".join(reason for reason, mask in masks.items() if mask[i])
        report.examples.append({"row": str(i), "reason": why, **masked(report.model, row)})


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind)


def withdraw(model: ContractType, data: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """Return rows whose impossible measures are null: a figure that cannot be is no figure.

    Samples that keep their contract may be odd enough to give a measure that no person has. That concerns the
    one row; refused as a whole, the table would be lost for everybody. Only what may be null is withdrawn: a
    number outside its column's limits, or on the left side of a rule between columns that it breaks.

    Args:
        model: The contract; if it has a column `WITHDRAWN`, it names the measures of each row.
        data: Rows in the contract's schema.

    Returns:
        The rows, and how many measures were withdrawn by column.
    """
    infos = {c.name: c for c in columns_of(model)}
    columns = {name: name for name in infos}
    rules = {f"{r.left} {r.operator} {r.right}": r.left for r in model.spec.rules}
    wrong: dict[str, np.ndarray] = {}
    for stage in (columns, rules):  # a number that cannot be says nothing of the one it is compared with
        found: dict[str, np.ndarray] = {}
        for (rule, _), mask in row_masks(model, data).items():
            info = infos.get(stage.get(rule, ""))
            if info is not None and info.nullable and _is_number(info.type):
                found[info.name] = found.get(info.name, False) | mask
        for name, mask in found.items():
            values = pc.if_else(pa.array(mask), pa.scalar(None, infos[name].type), data[name])
            data = data.set_column(data.schema.get_field_index(name), data.schema.field(name), values)
            wrong[name] = wrong.get(name, False) | mask
    if wrong and WITHDRAWN in infos:
        said: list[list[str]] = [[] for _ in range(data.num_rows)]
        for name in (name for name in infos if name in wrong):
            for row in np.flatnonzero(wrong[name]).tolist():
                said[row].append(name)
        texts = pa.array([",".join(names) or None for names in said], pa.string())
        data = data.set_column(data.schema.get_field_index(WITHDRAWN), data.schema.field(WITHDRAWN), texts)
    return data, {name: int(mask.sum()) for name, mask in wrong.items()}


def repeated_keys(model: ContractType, keys: pa.Table) -> ContractReport:
    """Judge the keys of a whole slice, whose pieces were judged one by one before.

    Args:
        model: The contract.
        keys: The columns of its key, all rows.
    """
    report = ContractReport(model)
    if (mask := _duplicate_mask(keys, model.spec.key)) is not None:
        name = f"{', '.join(model.spec.key)}: {KEY_NOT_UNIQUE}"
        _tell(report, keys, {name: mask})
    return report


def outside_slice(model: ContractType, data: pa.Table, column: str, low: Any, high: Any) -> ContractReport:
    """Judge whether rows lie in their slice, `[low, high)` in a column."""
    report = ContractReport(model)
    extremes = pc.min_max(data[column]).as_py()
    if extremes["min"] < low or extremes["max"] >= high:
        kind = data[column].type
        inside = pc.and_(
            pc.greater_equal(data[column], pa.scalar(low, kind)), pc.less(data[column], pa.scalar(high, kind))
        )
        _tell(report, data, {f"{column}: {OUTSIDE_SLICE}": ~np.asarray(inside)})
    return report


def sample_of(data: pa.Table, rows: int = SAMPLE_ROWS) -> pa.Table:
    """Return up to `rows` rows, evenly spread, first and last included."""
    if data.num_rows <= rows:
        return data
    return data.take(pa.array(np.linspace(0, data.num_rows - 1, rows).astype(np.int64)))


def pandera_refusals(model: ContractType, data: pa.Table) -> dict[int, str]:
    """Return the rows that the pandera model itself refuses, with its reasons, by row number.

    A model costs about a millisecond a column whatever the rows, so it sees one sample of a publication; it
    keeps the masks honest.
    """
    frame = data.cast(schema_relaxed(model)).to_pandas(types_mapper=pd.ArrowDtype)
    found: dict[int, str] = {}
    try:
        model.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as refusal:
        cases = refusal.failure_cases
        for index, name, check in zip(cases["index"], cases["column"], cases["check"], strict=True):
            row = 0 if index is None or pd.isna(index) else int(index)
            found[row] = "; ".join(filter(None, (found.get(row), f"{name}: PANDERA {check}")))
    return found


def validate(model: ContractType, data: pa.Table) -> ContractReport:
    """Judge a whole table: masks on all rows, and pandera, which has the last word, on a sample."""
    report = judge_rows(model, data)
    if report.passed and data.num_rows:
        report.refuse(pandera_refusals(model, sample_of(data)))
    return report
