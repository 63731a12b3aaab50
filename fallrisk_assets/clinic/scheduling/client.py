"""Asking the scheduling API: one request at a time, not too fast, again where that can help.

Here: HTTP, retries, the rate limit, and what counts as an answer. Not here: which questions make up a pull
(`pull.py`), where answers go (`spool.py`).

Waiting and the clock are arguments, so that nothing here sleeps unless it is told how.
"""

import http.client
import json
import random
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which the same question may be answered otherwise."""
_NOT_FOUND = 404
_LONGEST_ANSWER_BYTES = 32 * 1024 * 1024


class SchedulingApiError(RuntimeError):
    """The API was asked and gave nothing that can be used."""


class Refused(SchedulingApiError):
    """The API understood and said no, or said what is no answer: asking again does not help."""


class Unavailable(SchedulingApiError):
    """The API did not answer, however often it was asked: a later pull goes on from here."""


@dataclass(frozen=True, slots=True)
class Politeness:
    """How the API is asked.

    Attributes:
        timeout_s: Longest silence of the other side, in connecting and in answering.
        retries: How often a question is asked again.
        first_wait_s: Mean wait before the first of them; doubled for each further one.
        longest_wait_s: Longest wait, also where the API asks for a longer one.
        requests_per_s: Most requests a second.
    """

    timeout_s: float = 10.0
    retries: int = 5
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0
    requests_per_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse settings with which nobody can ask."""
        if min(self.timeout_s, self.first_wait_s, self.longest_wait_s, self.requests_per_s) <= 0:
            raise ValueError("scheduling API: time-out, waits and requests a second must be positive")
        if self.retries < 0:
            raise ValueError("scheduling API: retries must not be negative")


@dataclass(slots=True)
class SchedulingApi:
    """An API at an address.

    Attributes:
        base_url: Address up to and with the version, such as `https://scheduling.example/v1`.
        token: Sent as a bearer token; empty: none.
        politeness: How it is asked.
        sleep: Waits for so many seconds.
        clock: Seconds that only rise.
        chance: Spreads retries, so that many clients do not come back at once.
        requests: How many requests were sent, retries included.
        asked_again: How many of them were retries.

    Raises:
        ValueError: the address is none, or would carry people's data unencrypted to another machine.
    """

    base_url: str
    token: str = field(default="", repr=False)
    politeness: Politeness = field(default_factory=Politeness)
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    chance: random.Random = field(default_factory=random.Random, repr=False)
    requests: int = 0
    asked_again: int = 0
    _next_at: float = field(default=float("-inf"), repr=False)

    def __post_init__(self) -> None:
        """Look at the address."""
        parts = urllib.parse.urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"scheduling API: {self.base_url!r} is no address such as https://host/v1")
        if parts.username or parts.password:
            raise ValueError("scheduling API: a password in the address is seen in logs; give a token")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ValueError(
                f"scheduling API: {self.base_url!r} would send people's data in clear; use https"
            )

    def get(self, path: str, **query: str | int | None) -> dict[str, Any] | None:
        """Ask one question.

        Args:
            path: Its segments below the address, joined by "/".
            query: Parameters; those that are None are left out.

        Returns:
            The answer, a JSON object; None where what was asked for is not there (404).

        Raises:
            Refused: a no, a redirection, or an answer that is no JSON object.
            Unavailable: no answer, retries included.
        """
        quoted = "/".join(urllib.parse.quote(segment, safe="") for segment in path.split("/"))
        asked = urllib.parse.urlencode({k: v for k, v in query.items() if v is not None})
        url = f"{self.base_url.rstrip('/')}/{quoted}{'?' if asked else ''}{asked}"
        for attempt in range(self.politeness.retries + 1):
            self._wait_for_turn()
            self.requests += 1
            self.asked_again += attempt > 0
            try:
                return _object(self._once(url), path)
            except urllib.error.HTTPError as answer:
                with answer:
                    status, wait_s = answer.code, _asked_to_wait_s(answer.headers.get("Retry-After"))
                if status == _NOT_FOUND:
                    return None
                if status not in _AGAIN:
                    raise Refused(
                        f"scheduling API: {path} was answered with {status}; {_way_out(status)}"
                    ) from None
                failure = f"{status}"
            except (OSError, http.client.HTTPException) as lost:
                failure, wait_s = type(lost).__name__, None
            if attempt < self.politeness.retries:
                self.sleep(self._wait_s(attempt, wait_s))
        raise Unavailable(
            f"scheduling API: {path} gave no answer in {self.politeness.retries + 1} attempts "
            f"(last: {failure}); pull again later, it goes on from here"
        )

    def _once(self, url: str) -> bytes:
        headers = {"Accept": "application/json", "User-Agent": "fallrisk-scheduling"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(url, headers=headers)
        with _OPENER.open(request, timeout=self.politeness.timeout_s) as response:
            raw: bytes = response.read(_LONGEST_ANSWER_BYTES + 1)
            promised = response.headers.get("Content-Length")
        if promised is not None and promised.isdigit() and len(raw) < int(promised):
            raise http.client.IncompleteRead(raw, int(promised) - len(raw))
        return raw

    def _wait_for_turn(self) -> None:
        now = self.clock()
        if now < self._next_at:
            self.sleep(self._next_at - now)
        self._next_at = max(now, self._next_at) + 1.0 / self.politeness.requests_per_s

    def _wait_s(self, attempt: int, asked_s: float | None) -> float:
        """Return the wait before another attempt: as asked for, or the backoff, spread by a half."""
        backoff_s = self.politeness.first_wait_s * 2**attempt * self.chance.uniform(0.5, 1.5)
        return min(max(backoff_s, asked_s or 0.0), self.politeness.longest_wait_s)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirection would carry the token to wherever it points."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _object(raw: bytes, path: str) -> dict[str, Any]:
    if len(raw) > _LONGEST_ANSWER_BYTES:
        raise Refused(f"scheduling API: the answer to {path} is too long; ask for smaller pages")
    try:
        answer = json.loads(raw)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Refused(f"scheduling API: the answer to {path} is no JSON object; is the address right?")
    return answer


def _asked_to_wait_s(said: str | None) -> float | None:
    """Return the seconds of a Retry-After header; its other form, a date, is not understood."""
    text = (said or "").strip()
    return float(text) if text.isdecimal() else None


def _way_out(status: int) -> str:
    if status in (401, 403):
        return "look at the token"
    return (
        "redirections are not followed; give the address that it points to"
        if status < 400
        else "look at the address"
    )
