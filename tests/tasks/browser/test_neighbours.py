"""Whose a connection on loopback is."""

import os
import socket
import subprocess
from collections.abc import Iterator

import pytest

from tasks.browser import neighbours

#: Connects to a port of loopback, says so, and waits.
CONNECT = "exec 3<>/dev/tcp/127.0.0.1/$0; echo; read"


_kept: list[socket.socket] = []


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made
    while _kept:
        _kept.pop().close()


def _of(user: int, listener: socket.socket) -> tuple[subprocess.Popen[bytes], int, int]:
    """Have *user* connect, and return that process and both ports."""
    ours = listener.getsockname()[1]
    program = ["/bin/bash", "-c", CONNECT, str(ours)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(program, stdin=pipe, stdout=pipe, user=user)
    assert process.stdout is not None
    process.stdout.readline()
    _connection, (_, theirs) = listener.accept()
    _kept.append(_connection)
    return process, theirs, ours


def test_the_kernel_and_its_table_say_whose_a_connection_is(
    listener: socket.socket,
) -> None:
    ours = listener.getsockname()[1]

    with socket.create_connection(("127.0.0.1", ours)) as made:
        theirs = made.getsockname()[1]
        found = neighbours.asked(theirs, ours), neighbours.read(theirs, ours)

        assert found == (os.getuid(), os.getuid())
        assert neighbours.is_ours(theirs, ours)


@pytest.mark.skipif(
    os.getuid() != 0 and os.environ.get("CI") != "true",
    reason="only root can be another user",
)
def test_a_connection_of_another_user_is_not_ours(listener: socket.socket) -> None:
    process, theirs, ours = _of(65_534, listener)

    try:
        found = neighbours.asked(theirs, ours), neighbours.read(theirs, ours)
        ok = neighbours.is_ours(theirs, ours)
    finally:
        process.kill()
        process.communicate()

    assert (found, ok) == ((65_534, 65_534), False)


def test_a_connection_that_is_gone_is_nobodys(listener: socket.socket) -> None:
    ours = listener.getsockname()[1]

    assert neighbours.asked(1, ours) == -1
    assert neighbours.read(1, ours) is None
    assert not neighbours.is_ours(1, ours)
