"""Channels against real local servers."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from fallrisk_assets.alerts.channels import (
    Channel,
    FileChannel,
    PermanentFailure,
    SmtpChannel,
    TransientFailure,
    WebhookChannel,
)
from fallrisk_assets.alerts.contacts import Contact
from fallrisk_assets.alerts.notifications import Message, message_of, ops_alert, ops_contact
from fallrisk_assets.alerts.outbox import Ledger

T0 = datetime(2026, 1, 5, 7, 30, tzinfo=UTC)
PAGE = ops_alert("RUN_FAILED", "telemetry_hourly", at=T0, contact=ops_contact("file", ""))
MESSAGE = message_of(PAGE, "https://pages.example")


class Mailbox:
    """An SMTP server's handler that keeps what it gets, and answers RCPT as told."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.answer = "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.mails.append(envelope)
        return "250 OK"


class AnyPort(Controller):
    """A server on a port that the system chose; the original then knocks at port 0."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, SmtpChannel]]:
    handler = Mailbox()
    controller = AnyPort(handler, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        yield handler, SmtpChannel("127.0.0.1", controller.port, "alerts@clinic.example")
    finally:
        controller.stop()


class Hook:
    """What the webhook's server got, and what it answers."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], dict]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.url = ""


@pytest.fixture
def hook() -> Iterator[Hook]:
    state = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.requests.append((self.path, dict(self.headers), body))
            status, headers = state.answers.pop(0) if state.answers else (204, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/alerts"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_mail_arrives_with_its_idempotency_key(mailbox: tuple[Mailbox, SmtpChannel]) -> None:
    handler, channel = mailbox
    channel.send(MESSAGE, "nurse@clinic.example")
    (mail,) = handler.mails
    content = mail.content.decode() if isinstance(mail.content, bytes) else str(mail.content)
    assert mail.rcpt_tos == ["nurse@clinic.example"]
    assert f"Message-ID: <{MESSAGE.idempotency_key}@clinic.example>" in content
    assert f"X-Idempotency-Key: {MESSAGE.idempotency_key}" in content
    assert "Subject: [high] Run failed: telemetry_hourly" in content
    assert PAGE.alert_id in content


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ("451 later", TransientFailure),
        ("450 mailbox busy", TransientFailure),
        ("550 no such user", PermanentFailure),
    ],
)
def test_what_the_mail_server_refuses_is_transient_or_permanent_as_it_says(
    answer: str, failure: type[Exception], mailbox: tuple[Mailbox, SmtpChannel]
) -> None:
    handler, channel = mailbox
    handler.answer = answer
    with pytest.raises(failure, match=answer[:3]):
        channel.send(MESSAGE, "nurse@clinic.example")
    assert handler.mails == []


def test_a_mail_server_that_is_not_there_is_transient() -> None:
    with pytest.raises(TransientFailure, match="ConnectionRefusedError"):
        SmtpChannel("127.0.0.1", 1, "alerts@clinic.example").send(MESSAGE, "nurse@clinic.example")


def test_an_address_with_a_line_break_is_refused_before_anything_is_sent(
    mailbox: tuple[Mailbox, SmtpChannel],
) -> None:
    handler, channel = mailbox
    with pytest.raises(PermanentFailure):
        channel.send(MESSAGE, "nurse@clinic.example\r\nBcc: all@clinic.example")
    assert handler.mails == []


def test_a_webhook_gets_the_message_and_its_idempotency_key(hook: Hook) -> None:
    WebhookChannel(token="secret").send(MESSAGE, hook.url)
    ((path, headers, body),) = hook.requests
    assert path == "/alerts"
    assert headers["Idempotency-Key"] == MESSAGE.idempotency_key
    assert headers["Authorization"] == "Bearer secret"
    assert body == {"headline": MESSAGE.headline, **MESSAGE.data}


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (500, TransientFailure),
        (503, TransientFailure),
        (429, TransientFailure),
        (400, PermanentFailure),
        (404, PermanentFailure),
        (302, PermanentFailure),
    ],
)
def test_what_the_webhook_answers_is_transient_or_permanent(
    status: int, failure: type[Exception], hook: Hook
) -> None:
    hook.answers = [(status, {"Location": hook.url} if status == 302 else {})]
    with pytest.raises(failure, match=f"HTTP {status}"):
        WebhookChannel().send(MESSAGE, hook.url)
    assert len(hook.requests) == 1


def test_a_webhook_may_say_how_long_to_wait(hook: Hook) -> None:
    hook.answers = [(429, {"Retry-After": "90"})]
    with pytest.raises(TransientFailure) as caught:
        WebhookChannel().send(MESSAGE, hook.url)
    assert caught.value.retry_after_s == 90


@pytest.mark.parametrize("address", ["ward-1@", "a@[", "<", "@", '"', "undisclosed:;"])
def test_an_address_that_cannot_be_one_is_refused_by_the_mail_channel(
    address: str, mailbox: tuple[Mailbox, SmtpChannel]
) -> None:
    handler, channel = mailbox
    with pytest.raises(PermanentFailure):
        channel.send(MESSAGE, address)
    assert handler.mails == []


def test_a_messages_file_that_cannot_be_written_is_transient(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    for path in (tmp_path / "taken" / "messages.jsonl", tmp_path):
        with pytest.raises(TransientFailure):
            FileChannel(path).send(MESSAGE, "")


@pytest.mark.parametrize(
    "address", ["ftp://host/x", "file:///etc/passwd", "nurse", "http://", "http://[::1", "http://x:y/"]
)
def test_an_address_that_is_no_web_address_is_refused(address: str) -> None:
    with pytest.raises(PermanentFailure):
        WebhookChannel().send(MESSAGE, address)


def test_a_webhook_that_is_not_there_is_transient() -> None:
    with pytest.raises(TransientFailure):
        WebhookChannel().send(MESSAGE, "http://127.0.0.1:1/")


def test_the_file_channel_appends_one_line_a_message_without_the_address(tmp_path: Path) -> None:
    channel = FileChannel(tmp_path / "out" / "messages.jsonl")
    channel.send(MESSAGE, "nurse@clinic.example")
    channel.send(MESSAGE, "nurse@clinic.example")
    lines = channel.path.read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"headline": MESSAGE.headline, **MESSAGE.data}] * 2


@contextmanager
def crash_after(channel: Channel) -> Iterator[Channel]:
    """A channel that delivers and then dies before anybody can mark it."""

    class Crash(BaseException):
        pass

    class Crashing:
        def send(self, message: Message, address: str) -> None:
            channel.send(message, address)
            raise Crash

    try:
        yield Crashing()
    except Crash:
        return
    raise AssertionError("nothing was sent")


@pytest.fixture(params=["email", "webhook"])
def receiver(
    request: pytest.FixtureRequest, mailbox: tuple[Mailbox, SmtpChannel], hook: Hook
) -> tuple[str, Channel, str, Callable[[], list[str]]]:
    """A channel's name, the channel, an address on it, and the keys that its server got."""
    if request.param == "webhook":
        return (
            "webhook",
            WebhookChannel(),
            hook.url,
            lambda: [h["Idempotency-Key"] for _, h, _ in hook.requests],
        )

    def keys() -> list[str]:
        lines = [line for mail in mailbox[0].mails for line in (mail.content or b"").splitlines()]
        found = [line if isinstance(line, str) else line.decode() for line in lines]
        return [line.split(": ")[1] for line in found if line.startswith("X-Idempotency-Key: ")]

    return "email", mailbox[1], "nurse@clinic.example", keys


def test_a_crash_between_sending_and_marking_is_one_effective_message(
    receiver: tuple[str, Channel, str, Callable[[], list[str]]], tmp_path: Path
) -> None:
    name, channel, address, keys = receiver
    contact: Contact = ops_contact(name, address)
    page = ops_alert("RUN_FAILED", "telemetry_hourly", at=T0, contact=contact)
    book = {contact.contact_id: contact}
    with Ledger(tmp_path / "outbox.db") as ledger:
        ledger.enqueue([page], T0)
        with crash_after(channel) as crashing:
            ledger.deliver(T0, {name: crashing}, book)
        for minutes in (1, 2, 3):
            ledger.deliver(T0 + timedelta(minutes=minutes), {name: channel}, book)
        assert ledger.counts() == {"SENT": 1}
    assert keys() == [page.idempotency_key] * 2
