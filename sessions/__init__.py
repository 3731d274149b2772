"""Sessions: the promise that the same id leaves through the same proxy."""

from sessions.cleaner import Cleaner, CleanupReport, Memory
from sessions.info import SessionInfo
from sessions.layout import require_layouts
from sessions.manager import SessionManager
from sessions.opening import check, open_pool, open_proxies, open_store
from sessions.session import (
    Expired,
    Full,
    Lease,
    Moved,
    Reason,
    SessionPolicy,
    Sticky,
)
from sessions.stats import PoolStats

__all__ = [
    "Cleaner",
    "CleanupReport",
    "Expired",
    "Full",
    "Lease",
    "Memory",
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
    "open_store",
    "require_layouts",
]
