"""How a contract becomes a Dagster asset: the check, the column schema, ranges, and what a run reports.

What belongs here: the one adapter between publications and Dagster events (partition-aware checks are
a preview interface, so they are touched nowhere else). What does not: any particular dataset.
"""

import inspect
import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

import dagster as dg
import duckdb
from pyiceberg.exceptions import CommitFailedException, ValidationException
from sqlalchemy.exc import OperationalError

from fallrisk_assets.contract import ContractType
from fallrisk_assets.event_log import written_together
from fallrisk_assets.lake import Lake, LedgerEntry, Publication, PublishedMeanwhile, SliceRefused
from fallrisk_assets.previews import bars
from fallrisk_assets.schemas import dagster_column_schema
from fallrisk_assets.validation import ContractReport

# Partition-aware checks and single-run backfills are preview and beta interfaces in Dagster 1.13; the
# version is pinned exactly, so a warning for each asset on every load tells nobody anything new.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

logger = logging.getLogger(__name__)

CONTRACT_CHECK = "keeps_its_contract"

#: What passes by itself: a lost connection, a busy catalog or warehouse, another writer who came first.
TRANSIENT_ERRORS: tuple[type[BaseException], ...] = (
    PublishedMeanwhile,
    ConnectionError,
    TimeoutError,
    CommitFailedException,
    ValidationException,
    OperationalError,
    duckdb.IOException,
)
_RETRIES = 3
_RETRY_WAIT_S = 2


@contextmanager
def retried_when_transient() -> Iterator[None]:
    """Ask for the step to be tried again, from fresh inputs, when what failed passes by itself.

    A refused partition, a missing input or a defect fails at once: trying again would only hide it.
    """
    try:
        yield
    except Exception as error:
        if not is_transient(error):
            raise
        raise dg.RetryRequested(max_retries=_RETRIES, seconds_to_wait=_RETRY_WAIT_S) from error


def is_transient(error: Exception) -> bool:
    """Tell an outage from a fault: pyarrow reports a store that does not answer as a plain `OSError`.

    A catalog that answers 500 or nothing after a commit may have done it: the step computes and publishes
    anew, and the ledger vouches for the new files only.
    """
    if isinstance(error, TRANSIENT_ERRORS) or type(error) is OSError:
        return True
    # Imported by now, where such an error can have come from; nobody else need wait for them.
    from botocore.exceptions import ConnectionError as NoAnswer
    from botocore.exceptions import HTTPClientError
    from pyiceberg.exceptions import CommitStateUnknownException, ServerError, ServiceUnavailableError
    from requests.exceptions import ChunkedEncodingError, Timeout
    from requests.exceptions import ConnectionError as ConnectionLost

    answers = (CommitStateUnknownException, ServerError, ServiceUnavailableError)
    lost = (NoAnswer, HTTPClientError, ConnectionLost, ChunkedEncodingError, Timeout)
    return isinstance(error, (*answers, *lost))


class Publishable(Protocol):
    """What can be reported: partitions of one table, judged and then committed (lake or warehouse)."""

    model: ContractType
    keys: list[str]
    reports: dict[str, ContractReport]
    shown: dict[str, dict[str, Any]]

    @property
    def bad(self) -> dict[str, ContractReport]:
        """Verdicts of the refused partitions."""
        ...

    @property
    def incomplete(self) -> bool:
        """Whether some partitions are not published."""
        ...

    def commit(self) -> dict[str, LedgerEntry]:
        """Publish the accepted partitions."""
        ...


Body = Callable[[dg.AssetExecutionContext, Lake, dict[ContractType, Publication]], None]


def contract_spec(
    model: ContractType,
    *,
    partitions_def: dg.PartitionsDefinition,
    group_name: str,
    deps: Sequence[Any] = (),
    kinds: Iterable[str] = ("python", "iceberg"),
    owners: Sequence[str] = ("team:data-engineering",),
    description: str = "",
    key: str = "",
    freshness: dg.FreshnessPolicy | None = None,
) -> dg.AssetSpec:
    """Return the asset spec of a table: name, description, column schema and tags from its contract."""
    return dg.AssetSpec(
        key or model.spec.name,
        partitions_def=partitions_def,
        deps=deps,
        group_name=group_name,
        kinds=set(kinds),
        owners=list(owners),
        description=description or doc_of(model),
        freshness_policy=freshness,
        metadata={
            "dagster/column_schema": dagster_column_schema(model),
            "dagster/table_name": model.spec.identifier,
            "grain": model.spec.grain,
            "person column": model.spec.person or "none",
        },
        tags={"namespace": model.spec.namespace},
    )


def contract_check(model: ContractType, spec: dg.AssetSpec) -> dg.AssetCheckSpec:
    """Return the blocking check that the write itself evaluates."""
    return dg.AssetCheckSpec(
        CONTRACT_CHECK,
        asset=spec.key,
        blocking=True,
        partitions_def=spec.partitions_def,
        description=(
            f"Every row of {model.spec.identifier} keeps its contract: types, required values, ranges, "
            f"vocabularies, and one row for each {', '.join(model.spec.key)}. Nothing is published otherwise."
        ),
    )


def contract_assets(
    *models: ContractType,
    name: str,
    partitions_def: dg.PartitionsDefinition,
    group_name: str,
    deps: Sequence[Any] = (),
    keys: Mapping[ContractType, str] | None = None,
    kinds: Iterable[str] = ("python", "iceberg"),
    owners: Sequence[str] = ("team:data-engineering",),
    resource_keys: Iterable[str] = (),
    freshness: dg.FreshnessPolicy | None = None,
    pool: str | None = None,
    independent: Sequence[ContractType] = (),
) -> Callable[[Body], dg.AssetsDefinition]:
    """Make one step that publishes one or more tables, a partition or a range at a time.

    The decorated function gets `(context, lake, publications)` and adds rows to
    `publications[Model]`; the step then commits each table once, evaluates the contract checks from the
    same pass and reports each partition. Refused partitions are not published: their checks fail, the
    good ones are recorded, and the step raises naming the refused.

    Args:
        models: Tables that the step publishes.
        name: Name of the step.
        partitions_def: Partitions of all the tables.
        group_name: Group in the UI.
        deps: Upstream assets (`AssetDep` where a mapping is needed).
        keys: Asset keys where they differ from the tables' names.
        kinds: Kinds shown in the UI.
        owners: Owners shown in the UI.
        resource_keys: Further resources that the function takes from `context.resources`.
        freshness: When the tables count as stale.
        pool: Concurrency pool of the step.
        independent: Tables that are published though another table of the step was refused.
    """

    def build(body: Body) -> dg.AssetsDefinition:
        specs = {
            model: contract_spec(
                model,
                partitions_def=partitions_def,
                group_name=group_name,
                deps=deps,
                kinds=kinds,
                owners=owners,
                description=doc_of(model, body),
                key=(keys or {}).get(model, ""),
                freshness=freshness,
            )
            for model in models
        }

        @dg.multi_asset(
            name=name,
            specs=list(specs.values()),
            check_specs=[contract_check(model, spec) for model, spec in specs.items()],
            backfill_policy=dg.BackfillPolicy.single_run(),
            required_resource_keys={"lake", *resource_keys},
            pool=pool,
        )
        def step(context: dg.AssetExecutionContext) -> Iterator[Any]:
            lake: Lake = context.resources.lake
            wanted = list(context.partition_keys)
            with retried_when_transient(), ExitStack() as stack:
                publications = {
                    model: stack.enter_context(lake.publication(model, wanted, context.run_id))
                    for model in models
                }
                body(context, lake, publications)
                refused: set[str] = set()
                for publication in publications.values():
                    publication.judge()
                    refused.update(publication.bad)
                for model, publication in publications.items():
                    if model not in independent:
                        publication.withhold(refused)
                bad: dict[ContractType, Mapping[str, ContractReport]] = {}
                for model, publication in publications.items():
                    yield from report_publication(context, specs[model], publication)
                    if publication.bad:
                        bad[model] = publication.bad
            for model, reports in bad.items():
                raise SliceRefused(model, reports)

        return step

    return build


def contract_asset(
    model: ContractType, **options: Any
) -> Callable[[Callable[[dg.AssetExecutionContext, Lake, Publication], None]], dg.AssetsDefinition]:
    """Make one step that publishes one table; the function gets `(context, lake, publication)`."""

    def build(body: Callable[[dg.AssetExecutionContext, Lake, Publication], None]) -> dg.AssetsDefinition:
        def single(
            context: dg.AssetExecutionContext, lake: Lake, publications: dict[ContractType, Publication]
        ) -> None:
            body(context, lake, publications[model])

        single.__doc__ = body.__doc__
        return contract_assets(model, name=model.spec.name, **options)(single)

    return build


def doc_of(*things: Any) -> str:
    """Return the docstrings of a table and of the function that makes it, as the UI's markdown wants them."""
    return "\n\n".join(inspect.cleandoc(thing.__doc__) for thing in things if thing.__doc__)


def show_bars(
    publication: Publishable,
    key: str,
    amounts: Mapping[str, float | None],
    *,
    name: str = "preview",
    unit: str = "",
    most: float | None = None,
) -> None:
    """Attach a bar for each label to the materialisation of a partition; nothing without a label."""
    if amounts:
        show(publication, key, **{name: dg.MetadataValue.md(bars(amounts, unit=unit, most=most))})


def show(publication: Publishable, key: str, **metadata: Any) -> None:
    """Attach metadata (counts, a preview) that the materialisation of a partition shows in the UI."""
    publication.shown.setdefault(key, {}).update(metadata)


def report_publication(
    context: dg.AssetExecutionContext, spec: dg.AssetSpec, publication: Publishable
) -> Iterator[Any]:
    """Commit one table and yield its materialisation and check results."""
    model = publication.model
    shown = publication.shown
    entries = publication.commit()
    for key, entry in entries.items():
        metadata = {
            "dagster/partition_row_count": entry.rows,
            "content hash": entry.content_hash[:16],
            "snapshot": str(entry.snapshot_id or "none yet"),
            **{k: v if isinstance(v, dg.MetadataValue) else _plain(v) for k, v in shown.get(key, {}).items()},
        }
        if publication.incomplete:  # the step will fail: what is good must still be on record
            context.log_event(dg.AssetMaterialization(asset_key=spec.key, partition=key, metadata=metadata))
        else:
            context.add_asset_metadata(metadata, asset_key=spec.key, partition_key=key)
    if entries:  # one line a run: each partition's materialisation is in the log by itself
        rows = sum(entry.rows for entry in entries.values())
        logger.info("published %s: %s partitions, %s rows", model.spec.identifier, len(entries), rows)
    if not context.has_partition_key:  # a range: its own result would be recorded without a partition
        with written_together(context.instance):
            for key, report in publication.reports.items():
                context.log_event(
                    dg.AssetCheckEvaluation(
                        asset_key=spec.key,
                        check_name=CONTRACT_CHECK,
                        passed=report.passed,
                        metadata=_check_metadata(report),
                        partition=key,
                        blocking=True,
                        description=report.sentence(),
                    )
                )
    total = ContractReport(model)
    for report in publication.reports.values():
        total.merge(report)
    verdict = dg.AssetCheckResult(
        asset_key=spec.key,
        check_name=CONTRACT_CHECK,
        passed=bool(total.passed),
        metadata=_check_metadata(total) if context.has_partition_key else _range_metadata(publication, total),
        description=total.sentence(),
    )
    if publication.incomplete:
        yield verdict
    else:
        yield dg.MaterializeResult(asset_key=spec.key, check_results=[verdict])


def _check_metadata(report: ContractReport) -> dict[str, Any]:
    """Return what the check shows: a sentence, counts by reason, the first failing rows (masked)."""
    metadata: dict[str, Any] = {
        "verdict": report.sentence(),
        "rows": int(report.rows),
        "failed rows": int(report.failed_rows),
    }
    if report.counts:
        metadata["by reason"] = dg.MetadataValue.table(
            [dg.TableRecord({"rule": reason, "rows": int(n)}) for reason, n in sorted(report.counts.items())]
        )
    if report.examples:
        names = _telling_columns(report)
        metadata["first failing rows"] = dg.MetadataValue.table(
            [dg.TableRecord({name: r[name] for name in names if name in r}) for r in report.examples]
        )
    return metadata


def _telling_columns(report: ContractReport) -> list[str]:
    """Return the columns of failing rows that fit a screen: what identifies a row, and what is wrong."""
    spec = report.model.spec
    broken = {word for reason in report.counts for word in re.split(r"\W+", reason.rpartition(": ")[0])}
    wanted = {*spec.key, *broken}
    return ["row", "reason", *(name for name in report.model.to_schema().columns if name in wanted)]


def _range_metadata(publication: Publishable, total: ContractReport) -> dict[str, Any]:
    """Return what a range's own result shows: in words, so that its sums stay out of the plots."""
    keys = sorted(publication.reports)
    told = {k: v for k, v in _check_metadata(total).items() if not isinstance(v, int)}
    return {**told, "partitions": f"{len(keys)}, from {keys[0]} to {keys[-1]}"}


def _plain(value: Any) -> Any:
    """Return numpy scalars as Python ones: Dagster's metadata refuses them."""
    return value.item() if hasattr(value, "item") else value
