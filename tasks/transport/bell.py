"""How an idle worker hears of a new message on any of its lists, without polling them.

No command of Redis waits for several lists and leaves what it finds where it is. So the
worker asks Redis to tell it when one of the lists changes: client tracking, with the
notices sent to a second connection. Whatever comes in there means: look again. A bell
that is broken costs a second at most, since the worker looks by itself that often.
"""

import contextlib
from ssl import SSLWantReadError
from typing import Any, Final

#: More than all notices that can have come in between two looks; the rest rings again.
_NOTICES: Final = 65_536
_CHANNEL: Final = "__redis__:invalidate"


class Bell:
    """A connection that becomes readable when a watched list has changed."""

    def __init__(self, pool: Any, lost: tuple[type[Exception], ...]) -> None:
        # RESP2, in which notices are messages of a channel: we read none of them.
        options = {**pool.connection_kwargs, "protocol": 2}
        self.connection = pool.connection_class(**options)
        self._lost = lost
        self._id: int | None = None
        self._watcher: object = None

    def connect(self) -> None:
        """Make the connection to which notices go.

        Raises:
            redis.exceptions.ResponseError: this Redis has no such notices, or the user
                may not have them.
        """
        self.connection.connect()
        self.connection.send_command("CLIENT", "ID")
        self._id = int(self.connection.read_response())
        self.connection.send_command("SUBSCRIBE", _CHANNEL)
        self.connection.read_response()
        self._watcher = None

    @property
    def up(self) -> bool:
        return self.connection._sock is not None  # noqa: SLF001 - as kombu asks

    def watch(self, connection: Any, keys: list[str]) -> int:
        """Have Redis ring when one of *keys* changes; return how many replies come.

        The last of them is how many of the lists hold something already.
        """
        replies = 2
        socket = connection._sock  # noqa: SLF001 - a new one knows of no tracking
        if self._watcher is not socket:
            target = ("ON", "REDIRECT", str(self._id), "OPTIN", "NOLOOP")
            connection.send_command("CLIENT", "TRACKING", "OFF")
            connection.send_command("CLIENT", "TRACKING", *target)
            self._watcher = socket
            replies = 4
        connection.send_command("CLIENT", "CACHING", "YES")
        connection.send_command("EXISTS", *keys)
        return replies

    def silence(self) -> None:
        """Take in what came; a connection that was closed is given up."""
        socket = self.connection._sock  # noqa: SLF001 - what comes is not worth parsing
        if socket is None:
            return
        try:
            socket.settimeout(0)
            open_still = bool(socket.recv(_NOTICES))
        except (BlockingIOError, SSLWantReadError):
            return
        except self._lost:
            open_still = False
        if not open_still:
            self.close()

    def close(self) -> None:
        self._watcher = None
        with contextlib.suppress(*self._lost):
            self.connection.disconnect()
