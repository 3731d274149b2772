"""Whose a connection from this machine is: the relay is for the worker's browser."""

import os
from pathlib import Path
from typing import Final

_TABLE: Final = Path("/proc/net/tcp")
#: Columns of that table: the connection's own end, its other end, and whose it is.
_LOCAL, _REMOTE, _UID = 1, 2, 7


def is_ours(theirs: int, ours: int) -> bool:
    """Whether the connection from port *theirs* to *ours*, on loopback, is our user's.

    Where that cannot be told, as on systems that are no Linux, it is taken to be so.
    """
    try:
        lines = _TABLE.read_text("ascii").splitlines()
    except OSError:
        return True
    ends = f"0100007F:{theirs:04X}", f"0100007F:{ours:04X}"
    for line in lines:
        fields = line.split()
        if (fields[_LOCAL], fields[_REMOTE]) == ends:
            return int(fields[_UID]) == os.getuid()
    return True
