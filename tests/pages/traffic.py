"""Sessions that are used, for pages to tell of."""

from typing import Any

from proxies import Outcome
from sessions import SessionManager

#: Planted wherever a secret may be.
SECRET = "S3cretCanary"


def use(manager: SessionManager, *names: str, **said: Any) -> None:
    """Make one request with each of some sessions."""
    for name in names:
        manager.release(manager.acquire(name, hold=30), Outcome.OK, **said)
