"""`python -m fallrisk_assets.alerts`: look at alerts, do something about them, send what waits.

Belongs here: arguments and words. Does not belong here: what an action does (`episodes.py`).
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc

from fallrisk_assets.alerts.actions import ACTIONS_FOLDER, Action, ActionRefused, append_action
from fallrisk_assets.alerts.contract import ALERT_TABLES, Alerts, IndexAlerts, OperationsAlerts
from fallrisk_assets.alerts.delivery import deliver, stop
from fallrisk_assets.alerts.listing import line, newest_rows
from fallrisk_assets.alerts.outbox import FAILED, HELD, OutboxBusy
from fallrisk_assets.alerts.resource import OutboxResource
from fallrisk_assets.alerts.rules import CLOSED_AS
from fallrisk_assets.alerts.values import subject_of
from fallrisk_assets.contract import ContractType
from fallrisk_assets.environments import opened
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.resource import data_folder
from fallrisk_assets.partitions import window_of

FIND_HOURS = 24 * 31
"""Published hours of `alerts` that are looked through, days of the others as far back."""
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def _looked_at(lake: Lake) -> dict[ContractType, list[str]]:
    """The partitions that are looked through."""
    most = {model: FIND_HOURS if model is Alerts else FIND_HOURS // 24 for model in ALERT_TABLES}
    return {model: lake.ledger.keys(model)[-n:] for model, n in most.items()}


def latest_alerts(lake: Lake, alert_id: str = "") -> list[dict]:
    """The newest row of each alert in the last 31 published days, oldest opening first.

    Args:
        lake: where the alerts are.
        alert_id: beginning of the id; empty: all.
    """
    where = pc.starts_with(pc.field("alert_id"), alert_id) if alert_id else None
    return newest_rows(
        row
        for model, keys in _looked_at(lake).items()
        for row in lake.read(model, keys, where=where).to_pylist()
    )


def _model_of(row: dict) -> ContractType:
    if "hour" in row:
        return Alerts
    return OperationsAlerts if "scope" in row else IndexAlerts


def find_alert(lake: Lake, alert_id: str) -> dict:
    """The newest row of one alert, by the beginning of its id.

    Raises:
        ActionRefused: there is none, or more than one.
    """
    found = latest_alerts(lake, alert_id)
    if len(found) == 1:
        return found[0]
    if not found:
        raise ActionRefused(f"alert {alert_id}: none in the last 31 days; see `list --all`")
    raise ActionRefused(f"alert {alert_id}: {len(found)} alerts begin so; give more of the id")


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} needs a time zone, e.g. 2026-01-05T07:12:00Z")
    return at.astimezone(UTC)


def _span(text: str) -> timedelta:
    if text[:-1].isdigit() and text[-1:] in _UNITS:
        return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    raise argparse.ArgumentTypeError(f"{text!r}: give minutes, hours or days, such as 30m, 2h, 1d")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fallrisk_assets.alerts", description=__doc__)
    parser.add_argument("--data", default="", help="data folder (default: FALLRISK_DATA, else data)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listing = commands.add_parser(
        "list", help="show unfinished alerts of 31 published days, and who was told"
    )
    listing.add_argument("--all", action="store_true", help="finished ones too")
    acting = argparse.ArgumentParser(add_help=False)
    acting.add_argument("alert", help="alert id, or enough of its beginning")
    acting.add_argument("--by", required=True, help="your staff id (no name)")
    acting.add_argument("--at", type=_moment, help="when it was done (default: now), with time zone")
    acting.add_argument("--text", help="a note to keep with it")
    commands.add_parser("ack", parents=[acting], help="I have seen it: stops the escalation")
    assign = commands.add_parser("assign", parents=[acting], help="give it to somebody")
    assign.add_argument("--to", required=True, help="their staff id")
    commands.add_parser("note", parents=[acting], help="add a note (--text)")
    snooze = commands.add_parser("snooze", parents=[acting], help="hold the escalation for a while")
    until = snooze.add_mutually_exclusive_group(required=True)
    until.add_argument("--for", dest="span", type=_span, help="how long: 30m, 2h, 1d")
    until.add_argument("--until", type=_moment, help="until when, with time zone")
    close = commands.add_parser("close", parents=[acting], help="close it with a verdict")
    close.add_argument("--as", dest="outcome", required=True, choices=sorted(CLOSED_AS))
    commands.add_parser("deliver", help="send what waits in the outbox, once")
    commands.add_parser("outbox", help="show what was and was not delivered")
    return parser


def _act(arguments: argparse.Namespace, lake: Lake, folder: Path, outbox: OutboxResource) -> str:
    row = find_alert(lake, arguments.alert)
    now = outbox.now()
    at = arguments.at or now
    if at > now:
        raise ActionRefused(f"--at {at.isoformat()}: later than now, {now.isoformat()}; leave it out for now")
    span = getattr(arguments, "span", None)
    action = Action(
        alert_id=row["alert_id"],
        subject=subject_of(row),
        rule=row["rule"],
        opened_at=row["opened_at"],
        kind={"ack": "acknowledge"}.get(arguments.command, arguments.command),
        by=arguments.by,
        at=at,
        to=getattr(arguments, "to", None),
        until=at + span if span else getattr(arguments, "until", None),
        outcome=getattr(arguments, "outcome", None),
        text=arguments.text,
    )
    if at < row["opened_at"]:
        raise ActionRefused(f"--at {at.isoformat()}: before the alert opened, {row['opened_at'].isoformat()}")
    path = append_action(folder, action)
    with outbox.ledger() as ledger:  # a phone need not ring until the hour is folded again
        if action.kind == "snooze":
            ledger.note(action.alert_id, HELD, now, action.until)
        elif action.kind != "note":
            stop(ledger, action.alert_id, now)
    return f"{action.transition} {row['rule']} {row['alert_id']}: appended as {path.name}"


def _list(lake: Lake, outbox: OutboxResource, finished: bool) -> Iterator[str]:
    """The alerts, who was told, and how far back this looked: what is not in it is not thereby finished."""
    looked_at = _looked_at(lake)
    last = {model: window_of(keys[-1])[0] for model, keys in looked_at.items() if keys}
    rows = [r for r in latest_alerts(lake) if finished or r["closed_at"] is None]
    if rows:
        with outbox.ledger() as ledger:
            for row in rows:
                yield line(row, ledger.told(row["alert_id"]), last[_model_of(row)])
    else:
        yield "no alerts" if finished else "no unfinished alerts"
    since = {model.spec.name: keys[0] for model, keys in looked_at.items() if keys}
    yield "looked at: " + (
        ", ".join(f"{name} since {key}" for name, key in since.items()) or "nothing is published"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, or 1 with the reason on stderr."""
    arguments = _parser().parse_args(argv)
    data = Path(data_folder(arguments.data))
    lake = Lake(root=str(data / "lake")) if arguments.data else opened("lake")
    outbox = OutboxResource(path=str(data / "outbox.db"), messages=str(data / "outbox.jsonl"))
    try:
        if arguments.command == "list":
            print(*_list(lake, outbox, arguments.all), sep="\n")
        elif arguments.command == "deliver":
            report = deliver(lake, outbox)
            print(
                ", ".join(f"{state} {n}" for state, n in sorted(report.states.items())) or "nothing was due"
            )
            print(*report.failures, sep="\n", file=sys.stderr)
            return 1 if report.failures else 0
        elif arguments.command == "outbox":
            with outbox.ledger() as ledger:
                print(", ".join(f"{state} {n}" for state, n in ledger.counts().items()) or "empty")
                for d in ledger.deliveries(FAILED):
                    print(f"FAILED {d.page.rule} {d.page.alert_id} by {d.page.channel}: {d.detail}")
        else:
            print(_act(arguments, lake, data / "landing" / ACTIONS_FOLDER, outbox))
    except (ActionRefused, OutboxBusy) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
