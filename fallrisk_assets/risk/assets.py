"""The risk domain as hourly assets: falls and window scores.

Here: the Dagster skin, and what is read from the lake in which order. Not here: how falls are found and
windows scored; the 12-month index by the day (`index_assets.py`).
"""

import datetime as dt
from collections import Counter
from collections.abc import Mapping

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.lake import Lake, Publication
from fallrisk_assets.lake.files import combined_hash, written_schema
from fallrisk_assets.lake.tables import DataFile
from fallrisk_assets.mobility.contract import WindowFeatures
from fallrisk_assets.mobility.samples import split_devices
from fallrisk_assets.partitions import hourly, previous_key, window_of
from fallrisk_assets.previews import as_markdown
from fallrisk_assets.publishing import contract_asset, show, show_bars
from fallrisk_assets.risk.contract import FallEvents, WindowScores
from fallrisk_assets.risk.detector import LOOKBACK_S, released_model
from fallrisk_assets.risk.falls import SAMPLE_COLUMNS, device_falls
from fallrisk_assets.risk.preview import fall_svg
from fallrisk_assets.risk.window_scores import INPUTS, score_table
from fallrisk_assets.risk.window_scores import VERSION as SCORE_VERSION
from fallrisk_assets.telemetry.contract import Telemetry
from fallrisk_assets.telemetry.ingest import STATE_FACT, TAIL_FACT

#: Raised whenever the same samples and the same model give other events.
FALLS_VERSION = "1"
_PREVIEWS = 3
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_hour_and_the_one_before = dg.TimeWindowPartitionMapping(
    start_offset=-1, end_offset=0, allow_nonexistent_upstream_partitions=True
)


def _us(moment: dt.datetime) -> int:
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


class _HourlyFalls:
    """One run over some hours: looks at buckets whose samples, or whose tail of the hour before, changed."""

    def __init__(self, lake: Lake, publication: Publication) -> None:
        self._lake = lake
        self._publication = publication
        self._model = released_model()
        self._keys = sorted(publication.keys)
        before = sorted({previous_key(key) for key in self._keys} - set(self._keys))
        self._entries = {key: lake.ledger.get(Telemetry, key) for key in self._keys}
        self._entries |= {key: e for key in before if (e := lake.ledger.find(Telemetry, key)) is not None}
        self._files: dict[tuple[str, int], list[DataFile]] = {}
        for file in lake.files(Telemetry, self._keys) + lake.files(Telemetry, before, optional=True):
            self._files.setdefault((file.key, file.bucket or 0), []).append(file)
        self.falls = dict.fromkeys(self._keys, 0)
        self.kept = dict.fromkeys(self._keys, 0)
        self.drawings: dict[str, list[str]] = {key: [] for key in self._keys}

    def run(self) -> None:
        """Go through the buckets, each in order of time, so that the tail of an hour is still at hand."""
        for key in self._keys:
            for used in (previous_key(key), key):
                if used in self._entries:
                    name = f"{Telemetry.spec.identifier} {used}"
                    self._publication.note_input(key, name, self._entries[used].content_hash)
        buckets = {int(b) for entry in self._entries.values() for b in entry.buckets if b != "-"}
        buckets |= {b for key in self._keys for b in self._publication.previous_buckets(key)}
        for bucket in sorted(buckets):
            held: tuple[str, pa.Table] | None = None
            for key in self._keys:
                held = self._bucket_hour(key, bucket, held)
            self._publication.finish(bucket)

    def _bucket_hour(
        self, key: str, bucket: int, held: tuple[str, pa.Table] | None
    ) -> tuple[str, pa.Table] | None:
        """Publish one bucket of one hour; returns the hour's own tail, None where the hour was not read."""
        before = self._entries.get(previous_key(key))
        mine = self._entries[key].buckets.get(str(bucket))
        earlier = before.buckets.get(str(bucket)) if before else None
        tail_hash = str(earlier.facts.get(TAIL_FACT, "")) if earlier else ""
        final = mine is None or mine.facts.get(STATE_FACT) != "PROVISIONAL"
        input_hash = combined_hash(
            [FALLS_VERSION, self._model.version, mine.content_hash if mine else "", str(final), tail_hash]
        )
        known = self._publication.previous(key, bucket)
        if known is not None and known.input_hash == input_hash:
            self._publication.keep(key, bucket)
            self.kept[key] += 1
            return None
        self._publication.mark(key, bucket, input_hash=input_hash)
        start, end = window_of(key)
        tail = self._tail(key, bucket, held) if tail_hash else _no_samples()
        rows = self._read(key, bucket)
        here, before_it = _by_device(rows), _by_device(tail)
        found = []
        # A device whose record ended with the hour before may have fallen: its tail is looked at as well.
        for device in sorted(here.keys() | before_it.keys()):
            device_rows = pa.concat_tables(part[device] for part in (before_it, here) if device in part)
            table, around = device_falls(device_rows, self._model, _us(start), _us(end), final=final)
            found.append(table)
            self._draw(key, around)
        if found:
            table = pa.concat_tables(found).combine_chunks()
            self._publication.add(key, table, bucket)
            self.falls[key] += table.num_rows
        self._publication.finish(bucket, key)
        return key, _since(rows, end)

    def _draw(self, key: str, around: list) -> None:
        for event, t_s, norm_g in around:
            if len(self.drawings[key]) < _PREVIEWS:
                decided_s = (event.decided_us - event.impact_us) * 1e-6
                title = f"Fall, probability {event.probability:.2f}, peak {event.peak_g:.1f} g"
                self.drawings[key].append(fall_svg(t_s, norm_g, decided_s, title))

    def _tail(self, key: str, bucket: int, held: tuple[str, pa.Table] | None) -> pa.Table:
        before = previous_key(key)
        if held is not None and held[0] == before:
            return held[1]
        since = window_of(key)[0] - dt.timedelta(seconds=LOOKBACK_S)
        return self._read(before, bucket, pc.field("ts") >= pa.scalar(since, pa.timestamp("us", "UTC")))

    def _read(self, key: str, bucket: int, where: pc.Expression | None = None) -> pa.Table:
        files = self._files.get((key, bucket), [])
        if not files:
            return _no_samples()
        return pa.concat_tables(
            [
                self._lake.read_file(Telemetry, f, columns=SAMPLE_COLUMNS, where=where, coded=True)
                for f in files
            ]
        )


def _by_device(rows: pa.Table) -> dict[str, pa.Table]:
    return {part["device_id"][0].as_py(): part for part in split_devices(rows)}


def _no_samples() -> pa.Table:
    schema = written_schema(Telemetry)
    return pa.schema([schema.field(name) for name in SAMPLE_COLUMNS]).empty_table()


def _since(rows: pa.Table, end: dt.datetime) -> pa.Table:
    """A copy of the last `LOOKBACK_S` before an end, so that the rest can be forgotten."""
    start = pa.scalar(end - dt.timedelta(seconds=LOOKBACK_S), pa.timestamp("us", "UTC"))
    return rows.filter(pc.greater_equal(rows["ts"], start))


@contract_asset(
    FallEvents,
    partitions_def=hourly,
    group_name="risk",
    kinds=("python", "iceberg", "numba"),
    deps=[dg.AssetDep("telemetry", partition_mapping=_hour_and_the_one_before)],
)
def fall_events(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """Each fall once, in the hour in which it was decided; an hour reads the tail of the hour before.

    Only the device buckets whose samples, or whose tail, changed are looked at anew.
    """
    run = _HourlyFalls(lake, publication)
    run.run()
    for key, n in run.falls.items():
        show(publication, key, **{"falls found": n, "buckets left as they were": run.kept[key]})
        show(publication, key, **{"detector": released_model().version})
        if run.drawings[key]:
            pictures = "\n\n".join(as_markdown(svg, "signal around a fall") for svg in run.drawings[key])
            show(publication, key, preview=dg.MetadataValue.md(pictures))
    context.log.info("%s falls in %s hours", sum(run.falls.values()), len(run.falls))


def in_order(bands: Mapping[str, int]) -> dict[str, int]:
    """Return counts by band, from high to not scored."""
    return {band: bands[band] for band in ("high", "medium", "low", "NOT_SCORED") if band in bands}


_SCORE_INPUTS = ["device_bucket", "device_id", "patient_id", "window_end", "hour", "worn", "quality", *INPUTS]


@contract_asset(
    WindowScores,
    partitions_def=hourly,
    group_name="risk",
    kinds=("python", "iceberg"),
    deps=["window_features"],
)
def window_scores(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """One row for each window of features; only buckets whose features changed are scored anew."""
    files: dict[tuple[str, int], list[DataFile]] = {}
    for file in lake.files(WindowFeatures, publication.keys):
        files.setdefault((file.key, file.bucket or 0), []).append(file)
    for key in publication.keys:
        entry = lake.ledger.get(WindowFeatures, key)
        publication.note_input(key, WindowFeatures.spec.identifier, entry.content_hash)
        bands: Counter[str] = Counter()
        buckets = {int(b) for b in entry.buckets if b != "-"} | set(publication.previous_buckets(key))
        for bucket in sorted(buckets):
            mine = entry.buckets.get(str(bucket))
            input_hash = combined_hash([SCORE_VERSION, mine.content_hash if mine else ""])
            known = publication.previous(key, bucket)
            if known is not None and known.input_hash == input_hash:
                publication.keep(key, bucket)
                bands.update(known.facts.get("bands", {}))
                continue
            here: Counter[str] = Counter()
            for file in files.get((key, bucket), []):
                scored = score_table(lake.read_file(WindowFeatures, file, columns=_SCORE_INPUTS))
                publication.add(key, scored, bucket)
                here.update(scored["band"].to_pylist())
            publication.finish(bucket, key)
            publication.mark(key, bucket, input_hash=input_hash, bands=dict(sorted(here.items())))
            bands.update(here)
        show(publication, key, **{f"windows {band}": n for band, n in sorted(bands.items())})
        show_bars(publication, key, in_order(bands), name="windows by band")
