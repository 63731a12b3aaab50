"""Parquet files as the lake writes them, and hashes of their content.

What belongs here: encodings, and the content hash of rows, which depends on values alone and not on how
the rows were cut into batches, files or dictionaries. What does not: which files make up a table.
"""

import functools
import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from fallrisk_assets.contract import ContractType, arrow_schema

_ROW_GROUP_ROWS = 4_000_000
_BATCH_ROWS = 64 << 10
_MANY_COLUMNS = 32
_NOTHING = hashlib.sha256().digest()

_ZERO = {
    kind: pa.scalar(0, pa.int64() if kind.bit_width == 64 else pa.int32()).cast(kind)
    for kind in (
        pa.int32(),
        pa.int64(),
        pa.float32(),
        pa.float64(),
        pa.date32(),
        pa.timestamp("us", "UTC"),
    )
} | {pa.bool_(): pa.scalar(False)}


class ContentHasher:
    """Hash of a table's rows in their order, fed in pieces.

    Texts are hashed as runs of equal values, numbers as their bytes with nulls as zero plus a validity
    stream. Two tables have equal digests when they have equal rows in equal order.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        floats = [i for i, field in enumerate(schema) if field.type == pa.float32()]
        # Hundreds of narrow columns are hashed row by row together: a hash for each costs more than its rows.
        self._together = floats if len(floats) >= _MANY_COLUMNS else []
        self._rows = hashlib.sha256()
        alone = set(range(len(schema))) - set(self._together)
        self._columns = {i: hashlib.sha256() for i in sorted(alone)}
        self._nulls: dict[int, hashlib._Hash] = {}  # by column, where there are any
        self._seen = [0] * len(schema)
        self._runs: list[tuple[bytes, int] | None] = [None] * len(schema)
        self.rows = 0

    def update(self, data: pa.Table) -> None:
        """Add rows of the schema given at construction (texts may be dictionary-coded)."""
        self.rows += data.num_rows
        if data.num_rows == 0:
            return
        if self._together:
            self._update_together(data)
        for i in self._columns:
            field = self._schema.field(i)
            for chunk in data.column(i).chunks:
                if len(chunk) == 0:
                    continue
                if pa.types.is_string(field.type):
                    self._update_text(i, chunk)
                else:
                    self._update_numbers(i, chunk)

    def _update_text(self, i: int, chunk: pa.Array) -> None:
        encoded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        words = [b"\x01" + w.encode() if w is not None else b"\x00" for w in encoded.dictionary.to_pylist()]
        words.append(b"\x00")  # code -1: null
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        if encoded is chunk:  # a dictionary of others may hold a word twice, or a null
            first: dict[bytes, int] = {}
            codes = np.array([first.setdefault(word, code) for code, word in enumerate(words)])[codes]
        starts = np.flatnonzero(np.diff(codes, prepend=codes[0] - 1))
        lengths = np.diff(starts, append=len(codes)).tolist()
        runs = codes[starts].tolist()
        carried = self._runs[i]
        if carried is not None:
            if carried[0] == words[runs[0]]:
                lengths[0] += carried[1]
            else:
                self._flush(i, carried)
        headed = [len(word).to_bytes(4, "big") + word for word in words]
        tails = {length: length.to_bytes(8, "big") for length in set(lengths[:-1])}
        ended = [headed[code] + tails[length] for code, length in zip(runs[:-1], lengths[:-1], strict=True)]
        self._columns[i].update(b"".join(ended))
        self._runs[i] = (words[runs[-1]], lengths[-1])

    def _update_together(self, data: pa.Table) -> None:
        block = np.empty((data.num_rows, len(self._together)), np.float32)
        for place, i in enumerate(self._together):
            block[:, place] = self._without_nulls(i, data.column(i)).to_numpy()
        self._rows.update(block.view(np.uint8).data)

    def _without_nulls(self, i: int, values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        """Note where nulls are, and return the values with zeros in their place."""
        if values.null_count:
            missing = np.flatnonzero(np.asarray(values.is_null()))
            if i not in self._nulls:
                self._nulls[i] = hashlib.sha256()
            self._nulls[i].update((missing.astype(np.int64) + self._seen[i]).tobytes())
            values = values.fill_null(_ZERO[values.type])
        self._seen[i] += len(values)
        return values

    def _update_numbers(self, i: int, chunk: pa.Array) -> None:
        chunk = self._without_nulls(i, chunk)
        if pa.types.is_boolean(chunk.type):
            values = chunk.cast(pa.uint8()).to_numpy()
        elif pa.types.is_timestamp(chunk.type):
            values = chunk.view(pa.int64()).to_numpy()
        elif pa.types.is_date32(chunk.type):
            values = chunk.view(pa.int32()).to_numpy()
        else:
            values = chunk.to_numpy()
        self._columns[i].update(np.ascontiguousarray(values).view(np.uint8).data)

    def _flush(self, i: int, run: tuple[bytes, int] | None) -> None:
        if run is not None:
            word, length = run
            self._columns[i].update(len(word).to_bytes(4, "big") + word + length.to_bytes(8, "big"))

    def hexdigest(self) -> str:
        """Return the digest of all rows fed so far; the hasher can be fed no more afterwards."""
        total = hashlib.sha256(str(self.rows).encode())
        for i, field in enumerate(self._schema):
            nulls = self._nulls[i].digest() if i in self._nulls else _NOTHING
            own = b""
            if i in self._columns:
                self._flush(i, self._runs[i])
                self._runs[i] = None
                own = self._columns[i].digest()
            total.update(field.name.encode() + own + nulls)
        total.update(self._rows.digest() if self._together else b"")
        return total.hexdigest()


def content_hash(data: pa.Table) -> str:
    """Return the content hash of one table's rows in their order."""
    hasher = ContentHasher(data.schema)
    hasher.update(data)
    return hasher.hexdigest()


def combined_hash(parts: Iterable[Any]) -> str:
    """Return one hash of an ordered sequence of texts."""
    return list(combined_hashes(parts))[-1]


def combined_hashes(parts: Iterable[Any]) -> Iterator[str]:
    """Yield the combined hash of no texts, of the first, of the first two, and so on up to all of them."""
    total = hashlib.sha256()
    yield total.hexdigest()
    for part in parts:
        raw = str(part).encode()
        total.update(len(raw).to_bytes(4, "big") + raw)
        yield total.hexdigest()


@functools.cache
def written_schema(model: ContractType) -> pa.Schema:
    """Return a contract's schema with texts dictionary-coded, as they are handed to the writer."""
    coded = pa.dictionary(pa.int32(), pa.string())
    return pa.schema([f.with_type(coded) if pa.types.is_string(f.type) else f for f in arrow_schema(model)])


def parquet_writer(model: ContractType, path: str, filesystem: pafs.FileSystem) -> pq.ParquetWriter:
    """Open a Parquet file for rows of a contract.

    zstd level 1, byte-stream-split floats, delta-coded integers and times, dictionaries for texts only
    (measured at 2.5 times the speed of the defaults, see `docs/benchmarks.md`). Floats get no statistics: a
    file holds one device bucket of one partition, nobody looks for files by a measured value, and their
    extremes would cost a quarter of the writing.
    """
    schema = written_schema(model)
    encodings = {}
    for field in schema:
        if pa.types.is_floating(field.type):
            encodings[field.name] = "BYTE_STREAM_SPLIT"
        elif pa.types.is_integer(field.type) or pa.types.is_temporal(field.type):
            encodings[field.name] = "DELTA_BINARY_PACKED"
    texts = [f.name for f in schema if pa.types.is_dictionary(f.type)]
    return pq.ParquetWriter(
        path,
        schema,
        filesystem=filesystem,
        compression="zstd",
        compression_level=1,
        use_dictionary=texts or False,
        write_statistics=[f.name for f in schema if not pa.types.is_floating(f.type)],
        write_batch_size=_BATCH_ROWS,
        column_encoding=encodings,
        store_schema=False,
    )


def write_rows(writer: pq.ParquetWriter, model: ContractType, data: pa.Table) -> None:
    """Write rows as one row group (or several of four million rows)."""
    writer.write_table(_of_schema(data, written_schema(model)), row_group_size=_ROW_GROUP_ROWS)


def _of_schema(data: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table in another schema of the same names; texts may be coded in either."""
    if data.schema.equals(schema):
        return data
    columns = []
    for field, values in zip(schema, data.columns, strict=True):
        if pa.types.is_dictionary(field.type) and not pa.types.is_dictionary(values.type):
            values = values.dictionary_encode()
        columns.append(values if values.type == field.type else values.cast(field.type))
    return pa.table(columns, schema=schema)


def read_rows(
    model: ContractType,
    path: str,
    filesystem: pafs.FileSystem,
    columns: list[str] | None = None,
    where: Any = None,
    *,
    coded: bool = False,
) -> pa.Table:
    """Read a file of a contract, times in UTC.

    Args:
        model: The contract.
        path: The file inside `filesystem`.
        filesystem: Where it is.
        columns: Only these, in this order.
        where: pyarrow filter expression.
        coded: Leave texts dictionary-coded instead of plain: for columns of a few words much cheaper.
    """
    schema = written_schema(model) if coded else arrow_schema(model)
    names = columns or schema.names
    wanted = pa.schema([schema.field(n) for n in names])
    if where is not None:
        data = pq.read_table(path, filesystem=filesystem, columns=names, filters=where, partitioning=None)
        return _of_schema(data.select(names), wanted)
    texts = [f.name for f in wanted if pa.types.is_dictionary(f.type)]
    # One thread: decoding is a few milliseconds a file, which handing it over would only add to. On S3 what
    # lies side by side is fetched by one request, not by one for each column.
    afar = isinstance(filesystem, pafs.S3FileSystem)
    with filesystem.open_input_file(path) as source:
        file = pq.ParquetFile(source, read_dictionary=texts, pre_buffer=afar)
        data = file.read(columns=names, use_threads=False)
    return _of_schema(data.select(names), wanted)
