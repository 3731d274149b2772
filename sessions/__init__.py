"""Sessions: the promise that the same id leaves through the same proxy."""

from sessions.manager import SessionManager
from sessions.opening import check, open_pool, open_proxies
from sessions.session import (
    Expired,
    Full,
    Lease,
    Moved,
    PoolStats,
    Reason,
    SessionInfo,
    SessionPolicy,
    Sticky,
)

__all__ = [
    "Expired",
    "Full",
    "Lease",
    "Moved",
    "PoolStats",
    "Reason",
    "SessionInfo",
    "SessionManager",
    "SessionPolicy",
    "Sticky",
    "check",
    "open_pool",
    "open_proxies",
]
