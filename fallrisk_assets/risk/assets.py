"""The risk domain as hourly assets: falls and window scores.

Here: the Dagster skin, and what is read from the lake in which order. Not here: how falls are found and
windows scored; the 12-month index by the day (`index_assets.py`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import dagster as dg
import numpy as np
import pyarrow as pa

from fallrisk_assets.contract import empty_table
from fallrisk_assets.jobs import RESCORE_FALLS
from fallrisk_assets.lake import Lake, LedgerEntry, Publication
from fallrisk_assets.lake.files import combined_hash
from fallrisk_assets.lake.tables import DataFile
from fallrisk_assets.mobility.contract import WindowFeatures
from fallrisk_assets.models.pinning import MODEL_FACT, Detectors, pinned_version
from fallrisk_assets.partitions import hourly
from fallrisk_assets.previews import as_markdown
from fallrisk_assets.publishing import contract_asset, show, show_bars
from fallrisk_assets.risk.contract import FallEvents, RescoredFallEvents, WindowScores
from fallrisk_assets.risk.detector import FallEvent
from fallrisk_assets.risk.hourly_samples import HourlySamples
from fallrisk_assets.risk.preview import fall_svg
from fallrisk_assets.risk.rescoring import Comparison, beside_published, with_other_versions
from fallrisk_assets.risk.window_scores import INPUTS, score_table
from fallrisk_assets.risk.window_scores import VERSION as SCORE_VERSION

#: Raised whenever the same samples and the same model give other events.
FALLS_VERSION = "2"
_PREVIEWS = 3
_hour_and_the_one_before = dg.TimeWindowPartitionMapping(
    start_offset=-1, end_offset=0, allow_nonexistent_upstream_partitions=True
)


@contract_asset(
    FallEvents,
    partitions_def=hourly,
    group_name="risk",
    kinds=("python", "iceberg", "numba"),
    deps=[dg.AssetDep("telemetry", partition_mapping=_hour_and_the_one_before)],
)
def fall_events(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """Each fall once, in the hour in which it was decided; an hour reads the tail of the hour before.

    Only the device buckets whose samples, or whose tail, changed are looked at anew. An hour stays with the
    detector's version that scored it first; a version that is promoted scores the hours that come.
    """
    detectors = Detectors(lake)
    samples = HourlySamples(lake, publication.keys)
    samples.note_inputs(publication)
    before = lake.ledger.find_all(FallEvents, samples.keys)
    models = {key: detectors.of_hour(entry) for key, entry in before.items()}
    found, kept = Counter[str](), Counter[str]()
    drawings: dict[str, list[str]] = {key: [] for key in samples.keys}
    for bucket in samples.buckets(publication):
        for key in samples.keys:
            model = models[key]
            input_hash = combined_hash([FALLS_VERSION, model.version, *samples.made_from(key, bucket)])
            known = publication.previous(key, bucket)
            if known is not None and known.input_hash == input_hash:
                publication.keep(key, bucket)
                kept[key] += 1
                continue
            publication.mark(key, bucket, input_hash=input_hash, **{MODEL_FACT: model.version})
            tables = []
            for table, around in samples.falls(key, bucket, model):
                tables.append(table)
                drawings[key] += [_drawing(*event) for event in around[: _PREVIEWS - len(drawings[key])]]
            if tables:
                table = pa.concat_tables(tables).combine_chunks()
                publication.add(key, table, bucket)
                found[key] += table.num_rows
            publication.finish(bucket, key)
        publication.finish(bucket)
    for key, model in models.items():
        publication.note_input(key, "fall detector", model.version)
        show(publication, key, **{"falls found": found[key], "buckets left as they were": kept[key]})
        show(publication, key, **{"detector": model.version, "detector in use": detectors.in_use})
        if drawings[key]:
            pictures = "\n\n".join(as_markdown(svg, "signal around a fall") for svg in drawings[key])
            show(publication, key, preview=dg.MetadataValue.md(pictures))
    context.log.info("%s falls in %s hours", found.total(), len(models))


def _drawing(event: FallEvent, t_s: np.ndarray, norm_g: np.ndarray) -> str:
    decided_s = (event.decided_us - event.impact_us) * 1e-6
    title = f"Fall, probability {event.probability:.2f}, peak {event.peak_g:.1f} g"
    return fall_svg(t_s, norm_g, decided_s, title)


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
    for key, entry in lake.ledger.get_all(WindowFeatures, publication.keys).items():
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


@contract_asset(
    RescoredFallEvents,
    partitions_def=hourly,
    group_name=RESCORE_FALLS,
    kinds=("python", "iceberg", "numba"),
    deps=[dg.AssetDep("telemetry", partition_mapping=_hour_and_the_one_before), "fall_events"],
    resource_keys=("rescoring",),
)
def rescored_fall_events(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """Old hours scored by another version, when somebody asks (`make rescore VERSION=… FROM=… TO=…`).

    Nothing is made from it and nobody is paged. Rows of other versions of the hour stay.
    """
    detectors = Detectors(lake)
    model = detectors.load(context.resources.rescoring.wanted or detectors.in_use)
    samples = HourlySamples(lake, publication.keys)
    samples.note_inputs(publication)
    compared = dict.fromkeys(samples.keys, Comparison())
    entries = lake.ledger.get_all(FallEvents, samples.keys)
    for bucket in sorted({*samples.buckets(publication), *_buckets_of(entries.values())}):
        for key in samples.keys:
            published = entries[key].buckets.get(str(bucket))
            made_from = [model.version, *samples.made_from(key, bucket)]
            mine = combined_hash([FALLS_VERSION, *made_from, published.content_hash if published else ""])
            known = publication.previous(key, bucket)
            facts = known.facts if known else {}
            if facts.get("scored", {}).get(model.version) == mine:
                publication.keep(key, bucket)
                compared[key] += Comparison(**facts["compared"][model.version])
                continue
            tables = [table for table, _ in samples.falls(key, bucket, model)]
            falls = pa.concat_tables([empty_table(FallEvents), *tables])
            rows, comparison = beside_published(falls, lake.read(FallEvents, [key], buckets=[bucket]))
            kept = lake.read(RescoredFallEvents, [key], buckets=[bucket], optional=True)
            publication.add(key, with_other_versions(RescoredFallEvents, rows, kept, model.version), bucket)
            scored = {**facts.get("scored", {}), model.version: mine}
            against = {**facts.get("compared", {}), model.version: asdict(comparison)}
            input_hash = combined_hash(f"{version}={made}" for version, made in sorted(scored.items()))
            publication.mark(key, bucket, input_hash=input_hash, scored=scored, compared=against)
            publication.finish(bucket, key)
            compared[key] += comparison
        publication.finish(bucket)
    for key, comparison in compared.items():
        publication.note_input(key, FallEvents.spec.identifier, entries[key].content_hash)
        publication.note_input(key, f"fall detector {model.version}", model.version)
        pinned = pinned_version(entries[key]) or "none: no samples"
        show(publication, key, rescored_by=model.version, published_by=pinned, **comparison.as_counts())
        show_bars(publication, key, comparison.as_counts(), name="comparison")
    total = sum(compared.values(), Comparison())
    context.log.info("%s over %s hours: %s", model.version, len(compared), total.as_counts())


def _buckets_of(entries: Iterable[LedgerEntry]) -> set[int]:
    return {int(bucket) for entry in entries for bucket in entry.buckets if bucket != "-"}
