"""The external scheduling system's HTTP side: pages, a token, and the troubles that such a side has.

What belongs here: routes, cursors, and troubles by plan. What does not: what is known (`scheduling.py`).

Routes, below `/v1`: `appointments`, `appointments/{id}`, `providers`, `providers/{id}/schedule`. A list is by
time of change and id; its cursor is the last item of the page before, so that what changes between two pages
moves to the end and is not skipped.
"""

import base64
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from simulator.clinic_day import iso
from simulator.scheduling import Known

UNAVAILABLE, TOO_MANY, CUT_OFF, NO_ANSWER = "unavailable", "too_many", "cut_off", "no_answer"
TROUBLES = (UNAVAILABLE, TOO_MANY, CUT_OFF, NO_ANSWER)
"""What asking again helps against."""
MOVED = "moved"
"""A redirection to the providers' list."""
_ROOT = "/v1/"
_MOST_A_PAGE = 500


@dataclass
class SchedulingSystem:
    """What the server tells, and how badly it does.

    Attributes:
        at: the system's time; may be moved on.
        known: what is known then.
        provider_ids: who sees patients.
        token: what clients must show; empty for none.
        troubles: by the number of a request, the first being 1, what becomes of it; `MOVED` or one of
            `TROUBLES`.
        requests: paths that were asked for, in order, queries included.
    """

    at: datetime
    known: Callable[[datetime], Sequence[Known]]
    provider_ids: Sequence[str]
    token: str = ""
    troubles: Mapping[int, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def answer(self, path: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the answer to a question, None where there is no such thing.

        Raises:
            ValueError: a parameter is not one.
        """
        known = self.known(self.at)
        match path.split("/"):
            case ["appointments"]:
                since = query.get("updated_since")
                wanted = [k for k in known if since is None or k.updated_at > datetime.fromisoformat(since)]
                keys = [f"{iso(k.updated_at)} {k.appointment_id}" for k in wanted]
                items = [
                    {"appointment_id": k.appointment_id, "updated_at": iso(k.updated_at)} for k in wanted
                ]
                return {"as_of": iso(self.at), **_page(keys, items, query)}
            case ["appointments", one]:
                return next((k.record for k in known if k.appointment_id == one), None)
            case ["providers"]:
                ids = sorted(self.provider_ids)
                return _page(ids, [{"provider_id": one} for one in ids], query)
            case ["providers", one, "schedule"] if one in self.provider_ids:
                until = self.at + timedelta(days=int(query.get("days", "14")))
                ahead = [k for k in known if k.provider_id == one and self.at <= k.starts_at < until]
                ahead = [k for k in ahead if k.record["status"] == "Scheduled"]
                return {"items": [{"appointment_id": k.appointment_id} for k in ahead]}
        return None


def _page(keys: Sequence[str], items: Sequence[Any], query: Mapping[str, str]) -> dict[str, Any]:
    limit = int(query.get("limit", "100"))
    if not 0 < limit <= _MOST_A_PAGE:
        raise ValueError(f"limit is not between 1 and {_MOST_A_PAGE}")
    after = base64.urlsafe_b64decode(query["cursor"]).decode() if "cursor" in query else ""
    left = [at for at, key in enumerate(keys) if key > after]
    shown = left[:limit]
    cursor = base64.urlsafe_b64encode(keys[shown[-1]].encode()).decode() if len(left) > limit else None
    return {"items": [items[at] for at in shown], "next": cursor}


@contextmanager
def serving(system: SchedulingSystem, port: int = 0) -> Iterator[str]:
    """Serve a system on this machine while the block runs; yields the address with its version."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(system))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{_ROOT.rstrip('/')}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(system: SchedulingSystem) -> type[BaseHTTPRequestHandler]:
    numbers = itertools.count(1)

    class Handler(BaseHTTPRequestHandler):
        """Answers one request."""

        def do_GET(self) -> None:
            """Answer, or be in trouble."""
            system.requests.append(self.path)
            trouble = system.troubles.get(next(numbers))
            if trouble == UNAVAILABLE:
                self._send(503, {"error": "unavailable"})
            elif trouble == TOO_MANY:
                self._send(429, {"error": "too many requests"}, {"Retry-After": "7"})
            elif trouble == MOVED:
                self._send(302, {}, {"Location": f"{_ROOT}providers"})
            elif trouble == NO_ANSWER:
                self.close_connection = True
            elif system.token and self.headers.get("Authorization") != f"Bearer {system.token}":
                self._send(401, {"error": "no such token"})
            else:
                self._answer(cut=trouble == CUT_OFF)

        def _answer(self, cut: bool) -> None:
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            try:
                found = system.answer(unquote(parts.path).removeprefix(_ROOT), query)
            except ValueError as error:
                self._send(400, {"error": str(error)})
                return
            self._send(404 if found is None else 200, found or {"error": "not found"}, cut=cut)

        def _send(
            self, status: int, content: Any, headers: Mapping[str, str] | None = None, cut: bool = False
        ) -> None:
            raw = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw[: len(raw) // 2] if cut else raw)

        def log_message(self, *_: Any) -> None:
            """Write nothing: paths hold ids of appointments."""

    return Handler
