"""A receiver that answers as it is told, and remembers what it was sent."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs" / "results.md"


@dataclass(frozen=True)
class Sent:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def delivery(self) -> str:
        return self.headers["x-limpet-delivery"]


class Receiver:
    """A web server; *answers* are used up one by one, then it is 200."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        #: Seconds that the next answers wait, one by one.
        self.delays: list[float] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/hooks/P4thS3cret?token=Qu3ryS3cret"

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _take(self, request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str]]:
        length = int(request.headers.get("content-length", 0))
        headers = {name.lower(): value for name, value in request.headers.items()}
        sent = Sent(request.path, headers, request.rfile.read(length), time.time())
        with self._lock:
            self.sent.append(sent)
            delay = self.delays.pop(0) if self.delays else 0
            answer = self.answers.pop(0) if self.answers else (200, {})
        self._over.wait(delay)
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                status, headers = receiver._take(self)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing: the tests' output is read by people."""

        return Handler


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="session")
def verify() -> Callable[..., bool]:
    """The example of the documentation, as it stands there."""
    text = DOCS.read_text("utf-8")
    [example] = text.split("```python\n")[1:]
    names: dict[str, Any] = {}
    exec(example.partition("```")[0], names)
    found: Callable[..., bool] = names["verify"]
    return found
