"""What a contract is: one pandera model per table, from which everything else is derived.

What belongs here: how a table is declared, and the row masks, checks and schemas that follow from the
declaration. What does not: any particular table (see each domain's `contract.py`), Iceberg and
DuckDB themselves (`schemas.py` translates).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.compute as pc

Bool = Annotated[pd.ArrowDtype, pa.bool_()]
Int32 = Annotated[pd.ArrowDtype, pa.int32()]
Int64 = Annotated[pd.ArrowDtype, pa.int64()]
Float32 = Annotated[pd.ArrowDtype, pa.float32()]
Float64 = Annotated[pd.ArrowDtype, pa.float64()]
String = Annotated[pd.ArrowDtype, pa.string()]
Date = Annotated[pd.ArrowDtype, pa.date32()]
Timestamp = Annotated[pd.ArrowDtype, pa.timestamp("us", "UTC")]

Pii = Literal["none", "pseudonym", "quasi", "direct", "sensitive"]
Slicing = Literal["hour", "day", "none"]

NULL_VALUE = "NULL_VALUE"
VALUE_NOT_FINITE = "VALUE_NOT_FINITE"
KEY_NOT_UNIQUE = "KEY_NOT_UNIQUE"
SCHEMA_MISMATCH = "SCHEMA_MISMATCH"
OUTSIDE_SLICE = "OUTSIDE_SLICE"

#: Rows of a passing table that pandera sees in full, besides every failing row.
_SAMPLE_ROWS = 48
_MAX_FAILING_ROWS_TO_PANDERA = 500
_SHOWN_ROWS = 5


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule between two columns of a row: `left <operator> right`, nulls on either side pass.

    Attributes:
        left: Column on the left side.
        operator: One of ge, gt, le, lt, eq, ne.
        right: Column on the right side.
        reason: Code that a refused row gets.
    """

    left: str
    operator: Literal["ge", "gt", "le", "lt", "eq", "ne"]
    right: str
    reason: str

    def broken(self, data: pa.Table) -> pa.ChunkedArray:
        """Return a boolean array, true where the rule is broken."""
        compare = {
            "ge": pc.greater_equal,
            "gt": pc.greater,
            "le": pc.less_equal,
            "lt": pc.less,
            "eq": pc.equal,
            "ne": pc.not_equal,
        }[self.operator]
        return pc.invert(pc.fill_null(compare(data[self.left], data[self.right]), True))


@dataclass(frozen=True, slots=True)
class TableSpec:
    """What a table is, besides its columns."""

    name: str
    namespace: Literal["raw", "clean", "curated", "warehouse"]
    grain: str
    key: tuple[str, ...]
    slice_column: str | None
    slicing: Slicing
    person: str | None
    bucketed: bool = False
    sort: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()

    @property
    def identifier(self) -> str:
        """Full name, `namespace.name`."""
        return f"{self.namespace}.{self.name}"


class _ContractMeta(type(pandera.DataFrameModel)):  # type: ignore[misc]
    """Gives every contract its `spec`: pandera takes a public class attribute for a column."""

    @property
    def spec(cls) -> TableSpec:
        return cls._spec


class Contract(pandera.DataFrameModel, metaclass=_ContractMeta):
    """Base of every table's model; subclasses are decorated with `table` and then have a `spec`."""

    class Config:
        """Nothing is coerced, and a column that is not declared is refused."""

        strict = True
        coerce = False


ContractType = type[Contract]
_C = TypeVar("_C", bound=type[Contract])


def column(
    field_id: int,
    description: str,
    *,
    unit: str = "",
    pii: Pii = "none",
    nullable: bool = False,
    reason: str = "VALUE_OUT_OF_RANGE",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    isin: Sequence[Any] | None = None,
    matches: str | None = None,
) -> Any:
    """Declare a column.

    Args:
        field_id: Identity of the column for ever; never reused after a column is dropped.
        description: A sentence for people.
        unit: UCUM unit, empty where there is none.
        pii: Class of personal data.
        nullable: Whether null is a value.
        reason: Code given to a row that this column's rules refuse (null has its own).
        ge: Smallest value.
        gt: Value that must be exceeded.
        le: Largest value.
        lt: Value that must not be reached.
        isin: The closed vocabulary.
        matches: Regular expression for the whole text.
    """
    return pandera.Field(
        ge=ge,
        gt=gt,
        le=le,
        lt=lt,
        isin=list(isin) if isin is not None else None,
        str_matches=f"^(?:{matches})$" if matches is not None else None,
        nullable=nullable,
        description=description,
        metadata={"field_id": field_id, "unit": unit, "pii": pii, "reason": reason},
    )


def table(
    *,
    name: str,
    namespace: Literal["raw", "clean", "curated", "warehouse"],
    grain: str,
    key: tuple[str, ...],
    slice_column: str | None,
    slicing: Slicing,
    person: str | None,
    bucketed: bool = False,
    sort: tuple[str, ...] = (),
    rules: tuple[Rule, ...] = (),
) -> Any:
    """Class decorator: attach the table's spec to a `Contract` and check that it is coherent.

    Raises:
        ValueError: a named column does not exist, or a field id is used twice.
    """
    spec = TableSpec(name, namespace, grain, key, slice_column, slicing, person, bucketed, sort, rules)

    def attach(model: _C) -> _C:
        model._spec = spec
        columns = model.to_schema().columns
        ids = [c.metadata["field_id"] for c in columns.values()]
        if len(set(ids)) != len(ids):
            raise ValueError(f"{spec.identifier}: a field id is used twice")
        named = {*key, *sort, *(r.left for r in rules), *(r.right for r in rules)}
        named |= {c for c in (slice_column, person) if c} | ({"device_bucket"} if bucketed else set())
        if missing := named - set(columns):
            raise ValueError(f"{spec.identifier}: no column {sorted(missing)}")
        if (slicing == "none") != (slice_column is None):
            raise ValueError(f"{spec.identifier}: slicing and slice column disagree")
        return model

    return attach


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """One declared column, in plain types."""

    name: str
    type: pa.DataType
    field_id: int
    description: str
    unit: str
    pii: Pii
    nullable: bool
    reason: str
    checks: tuple[tuple[str, dict[str, Any]], ...]


_COLUMNS: dict[ContractType, tuple[ColumnInfo, ...]] = {}


def columns_of(model: ContractType) -> tuple[ColumnInfo, ...]:
    """Return the declared columns of a model, in order."""
    if model not in _COLUMNS:
        _COLUMNS[model] = tuple(
            ColumnInfo(
                name=name,
                type=c.dtype.type.pyarrow_dtype,
                field_id=c.metadata["field_id"],
                description=c.description or "",
                unit=c.metadata["unit"],
                pii=c.metadata["pii"],
                nullable=c.nullable,
                reason=c.metadata["reason"],
                checks=tuple((k.name, dict(k.statistics)) for k in c.checks),
            )
            for name, c in model.to_schema().columns.items()
        )
    return _COLUMNS[model]


def arrow_schema(model: ContractType) -> pa.Schema:
    """Return the Arrow schema that every table of this contract has, nullability included."""
    return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in columns_of(model)])


def empty_table(model: ContractType) -> pa.Table:
    """Return a table of this contract with no rows."""
    return arrow_schema(model).empty_table()


def conform(model: ContractType, columns: dict[str, Any]) -> pa.Table:
    """Build a table of this contract from a dict of arrays or lists, one entry a column.

    Raises:
        KeyError: a column is missing; TypeError, pa.ArrowInvalid: a value does not fit.
    """
    schema = arrow_schema(model)
    if extra := set(columns) - set(schema.names):
        raise KeyError(f"{model.spec.identifier}: unknown columns {sorted(extra)}")
    arrays = []
    for f in schema:
        value = columns[f.name]
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and f.nullable:
            arrays.append(pa.array(value, f.type, from_pandas=True))
        elif isinstance(value, pa.Array | pa.ChunkedArray):
            arrays.append(value if value.type == f.type else value.cast(f.type))
        else:
            arrays.append(pa.array(value, f.type))
    return pa.Table.from_arrays(arrays, schema=schema)


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
        if not pa.types.is_string(values.type) and not pa.types.is_dictionary(values.type):
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


def _to_numpy(values: pa.Array) -> np.ndarray:
    """Return numbers, dates and times as a numpy array; the caller has dropped the nulls."""
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        values = values.cast(pa.int64() if pa.types.is_timestamp(values.type) else pa.int32())
    return values.to_numpy(zero_copy_only=False)


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
    for info in columns_of(model):
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
    """

    model: ContractType
    rows: int = 0
    failed_rows: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)

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

    def sentence(self) -> str:
        """Return the verdict in words, for a person."""
        if self.passed:
            return f"All {self.rows:,} rows keep the contract of {self.model.spec.identifier}."
        reasons = ", ".join(f"{n:,} × {reason}" for reason, n in sorted(self.counts.items()))
        return f"{self.failed_rows:,} of {self.rows:,} rows break the contract of {self.model.spec.identifier}: {reasons}."


def masked(model: ContractType, row: dict[str, Any]) -> dict[str, str]:
    """Return a row as text in which direct and sensitive personal data cannot be read."""
    shown = {}
    for info in columns_of(model):
        value = row.get(info.name)
        hidden = info.pii in ("direct", "sensitive", "quasi") and value is not None
        shown[info.name] = "•••" if hidden else str(value)
    return shown


def validate(model: ContractType, data: pa.Table) -> ContractReport:
    """Judge rows by their contract: masks on all rows, pandera on the failing ones and on a sample.

    pandera has the last word on what it sees: a sampled row that it refuses counts as refused even
    where the masks saw nothing.

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
    failed = np.zeros(data.num_rows, bool)
    for (name, reason), mask in masks.items():
        failed |= mask
        report.counts[f"{name}: {reason}"] = int(mask.sum())
    report.failed_rows = int(failed.sum())
    if data.num_rows == 0:
        return report
    failing = np.flatnonzero(failed)
    sample = np.unique(np.linspace(0, data.num_rows - 1, _SAMPLE_ROWS).astype(np.int64))
    chosen = np.union1d(failing[:_MAX_FAILING_ROWS_TO_PANDERA], sample)
    frame = data.take(pa.array(chosen)).cast(schema_relaxed(model)).to_pandas(types_mapper=pd.ArrowDtype)
    try:
        model.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as refusal:
        seen_by_masks = failed[chosen]
        cases = refusal.failure_cases
        for index, name, check in zip(cases["index"], cases["column"], cases["check"], strict=True):
            row = int(index) if index is not None and not pd.isna(index) else 0
            if not seen_by_masks[row]:
                reason = f"{name}: PANDERA {check}"
                report.counts[reason] = report.counts.get(reason, 0) + 1
                report.failed_rows += 1
    shown = failing[:_SHOWN_ROWS]
    if len(shown):
        reasons = [
            "; ".join(f"{name}: {reason}" for (name, reason), mask in masks.items() if mask[i]) for i in shown
        ]
        rows = data.take(pa.array(shown)).to_pylist()
        report.examples = [
            {"row": str(int(i)), "reason": why, **masked(model, row)}
            for i, why, row in zip(shown, reasons, rows, strict=True)
        ]
    return report


def schema_relaxed(model: ContractType) -> pa.Schema:
    """Return the Arrow schema without nullability, so that refused rows can still be shown."""
    return pa.schema([pa.field(c.name, c.type) for c in columns_of(model)])
