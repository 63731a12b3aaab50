"""The risk domain as hourly assets: falls and window scores.

Here: the Dagster skin, and what is read from the lake in which order. Not here: how falls are found and
windows scored; the 12-month index by the day (`index_assets.py`).
"""

from collections import Counter
from collections.abc import Mapping

import dagster as dg
import numpy as np
import pyarrow as pa

from fallrisk_assets.lake import Lake, Publication
from fallrisk_assets.lake.files import combined_hash
from fallrisk_assets.lake.tables import DataFile
from fallrisk_assets.mobility.contract import WindowFeatures
from fallrisk_assets.models.pinning import MODEL_FACT, Detectors
from fallrisk_assets.partitions import hourly
from fallrisk_assets.previews import as_markdown
from fallrisk_assets.publishing import contract_asset, show, show_bars
from fallrisk_assets.risk.contract import FallEvents, WindowScores
from fallrisk_assets.risk.detector import FallEvent
from fallrisk_assets.risk.hourly_samples import HourlySamples
from fallrisk_assets.risk.preview import fall_svg
from fallrisk_assets.risk.window_scores import INPUTS, score_table
from fallrisk_assets.risk.window_scores import VERSION as SCORE_VERSION

#: Raised whenever the same samples and the same model give other events.
FALLS_VERSION = "1"
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
    models = {key: detectors.of_hour(lake.ledger.find(FallEvents, key)) for key in samples.keys}
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
