"""Commands of ours in processes that need not import everything first.

An interpreter that has imported what takes long waits, and forks for each command: a
process of its own, with an environment, standard streams and an end of its own, after a
tenth of the time. What is imported is code of others, and ours that reads nothing.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

_ROOT: Final = Path(__file__).resolve().parent.parent
#: Not `cli`, whose terminal is measured when it is imported, nor `tasks`, which reads
#: the environment then.
_MODULES: Final = (
    *("alembic.command", "celery.result", "cryptography.fernet", "kombu", "requests"),
    *("rich.markdown", "rich.progress", "rich.table", "typer.rich_utils", "w3lib"),
    *("limpet.client.sending", "limpet.jobs", "limpet.schema", "limpet.services"),
    *("proxies.export", "proxies.sources", "proxies.tables", "sessions.transfer"),
)


class Warm:
    """The interpreter that forks; closed, it is gone."""

    def __init__(self) -> None:
        ours, its = socket.socketpair()
        command = [sys.executable, str(Path(__file__)), str(its.fileno())]
        environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
        self._process = subprocess.Popen(
            command, env=environment, cwd=_ROOT, pass_fds=[its.fileno()]
        )
        its.close()
        ours.settimeout(60)
        self._socket = ours

    def run(
        self, arguments: Sequence[str], *, env: Mapping[str, str], stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python …`` to its end, as `subprocess.run` would; a minute at most."""
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8") as given,
            tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as out,
            tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as err,
        ):
            given.write(stdin)
            given.seek(0)
            streams = [given.fileno(), out.fileno(), err.fileno()]
            asked = {"arguments": list(arguments), "environment": dict(env)}
            line = f"{json.dumps(asked)}\n".encode()
            socket.send_fds(self._socket, [line], streams)
            child = self._answer()
            try:
                code = self._answer()
            except TimeoutError:
                os.kill(child, signal.SIGKILL)
                self._answer()  # or the next command would take it for its own
                raise
            return subprocess.CompletedProcess(
                list(arguments), code, _text(out), _text(err)
            )

    def _answer(self) -> int:
        text = b""
        while not text.endswith(b"\n"):
            byte = self._socket.recv(1)
            assert byte, "the interpreter that forks has ended"
            text += byte
        return int(text)

    def close(self) -> None:
        self._socket.close()
        self._process.wait(10)


def _text(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def _asked(peer: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    text, streams, _, _ = socket.recv_fds(peer, 65_536, 3)
    while text and not text.endswith(b"\n"):
        text += peer.recv(65_536)
    return (json.loads(text) if text else None), streams


def _serve(peer: socket.socket) -> list[str]:
    """Fork for each command; return, in each child, its arguments."""
    while True:
        asked, streams = _asked(peer)
        if asked is None:
            return []
        # A lock that another thread holds would be held for ever in the child.
        assert threading.active_count() == 1
        child = os.fork()
        if child == 0:
            peer.close()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            os.environ.clear()
            os.environ.update(asked["environment"])
            arguments: list[str] = asked["arguments"]
            return arguments
        for stream in streams:
            os.close(stream)
        peer.sendall(f"{child}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        peer.sendall(f"{code}\n".encode())


def main() -> None:
    """Serve the socket of the number given, until it is closed."""
    for name in _MODULES:
        importlib.import_module(name)
    # What is here stays shared with each child: its collector does not write to it.
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as peer:
        arguments = _serve(peer)
    if arguments:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
