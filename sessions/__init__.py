"""Sessions: the promise that the same id leaves through the same proxy."""

from sessions.manager import SessionManager
from sessions.session import Expired, Lease, PoolStats, SessionPolicy

__all__ = ["Expired", "Lease", "PoolStats", "SessionManager", "SessionPolicy"]
