"""What a contract is: one pandera model per table, from which everything else is derived.

What belongs here: how a table is declared, and the row masks, checks and schemas that follow from the
declaration. What does not: any particular table (see each domain's `contract.py`), Iceberg and
DuckDB themselves (`schemas.py` translates).
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.compute as pc
from pandera.api.base.model import MetaModel

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
    #: Published when somebody asks, never by the clock: no partition of it is ever overdue.
    on_demand: bool = False
    #: It tells of this installation's own runs: two that did the same work differ in it.
    of_runs: bool = False

    @property
    def identifier(self) -> str:
        """Full name, `namespace.name`."""
        return f"{self.namespace}.{self.name}"


class _ContractMeta(MetaModel):
    """Gives every contract its `spec`: pandera takes a public class attribute for a column."""

    _spec: TableSpec

    @property
    def spec(cls) -> TableSpec:  # noqa: N805 - this is a metaclass
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
    on_demand: bool = False,
    of_runs: bool = False,
) -> Any:
    """Class decorator: attach the table's spec to a `Contract` and check that it is coherent.

    Raises:
        ValueError: a named column does not exist, or a field id is used twice.
    """
    spec = TableSpec(
        name, namespace, grain, key, slice_column, slicing, person, bucketed, sort, rules, on_demand, of_runs
    )

    def attach(model: _C) -> _C:
        model._spec = spec  # type: ignore[attr-defined]
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


@functools.cache
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


def schema_relaxed(model: ContractType) -> pa.Schema:
    """Return the Arrow schema without nullability, so that refused rows can still be shown."""
    return pa.schema([pa.field(c.name, c.type) for c in columns_of(model)])
