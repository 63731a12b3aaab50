"""A proxy on loopback that passes requests on to a real server, and now and then does what networks do.

A fault is decided for each request by a function of it, so that tests say which requests fail and how.
"""

import http.client
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

#: What can become of a request; None: nothing.
FAULTS = ("500", "503", "409", "reset", "cut", "half", "lost")


@dataclass(frozen=True)
class Request:
    """A request that came by: the how-manieth, its method and its path with the query."""

    number: int
    method: str
    path: str


Plan = Callable[[Request], str | None]


@dataclass
class FaultyProxy:
    """A running proxy.

    Attributes:
        address: Where it listens.
        plan: What becomes of each request:
            500, 503, 409: answered with that status, and never passed on;
            reset: the connection is reset before anything is passed on;
            cut: the answer's connection is reset in the middle of its body;
            half: the answer's body ends in the middle, as if it were complete, but for its promised length;
            lost: passed on, done, and the connection is closed without an answer.
        done: What was done so far, with the fault.
    """

    address: str
    plan: Plan = lambda request: None
    done: list[tuple[Request, str]] = field(default_factory=list)
    count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def decide(self, method: str, path: str) -> str | None:
        """Count a request and say what becomes of it."""
        with self.lock:
            self.count += 1
            request = Request(self.count, method, path)
            fault = self.plan(request)
            if fault is not None:
                assert fault in FAULTS, fault
                self.done.append((request, fault))
            return fault


@contextmanager
def faulty_proxy(target: str):
    """Start a proxy before an `http://host:port` target, and stop it when the block ends."""
    host = urlsplit(target).netloc
    running: list[FaultyProxy] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                raw = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    raw += self.rfile.read(size)
                    self.rfile.readline()
                while self.rfile.readline().strip():
                    pass
                return raw
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _reset(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

        def _pass_on(self) -> None:
            if self.headers.get("Expect", "").lower() == "100-continue":
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = self._body()
            fault = running[0].decide(self.command, self.path)
            if fault == "reset":
                self._reset()
                return
            if fault in ("500", "503", "409"):
                self._answer(int(fault), [("Content-Type", "text/plain")], b"")
                return
            upstream = http.client.HTTPConnection(host, timeout=60)
            # The signature covers the Host that the client named, so it is passed on as it came.
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect", "transfer-encoding"):
                    upstream.putheader(name, value)
            if "Content-Length" not in self.headers and body:
                upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body)
            answer = upstream.getresponse()
            content, headers = answer.read(), answer.getheaders()
            upstream.close()
            if fault == "lost":
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
            elif fault in ("cut", "half") and len(content) > 1:
                self._answer(answer.status, headers, content, content[: len(content) // 2])
                if fault == "cut":
                    self._reset()
                self.close_connection = True
            else:
                self._answer(answer.status, headers, content)

        def _answer(self, status, headers, content, sent=None) -> None:
            self.send_response_only(status)
            length = str(len(content))
            for name, value in headers:
                if name.lower() == "content-length" and self.command == "HEAD":
                    length = value
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content if sent is None else sent)
                self.wfile.flush()

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815 (the names of http.server)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address) -> None:
            pass  # a client that gave up on us

    server = Server(("127.0.0.1", 0), Handler)
    running.append(FaultyProxy(f"http://127.0.0.1:{server.server_address[1]}"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield running[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
