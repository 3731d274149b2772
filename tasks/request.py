"""What a worker tells the world about a job that it holds.

Events, `inspect` and so Flower get the arguments as the producer wrote them, or as they
are. A query string may be a secret: only what is known to be none is shown.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from celery.utils.saferepr import saferepr
from celery.worker.request import Request as CeleryRequest

#: Arguments that are shown as they are; a URL without its query, the rest as dots.
_SHOWN: Final = frozenset({"session", "pool", "timeout", "max_bytes", "batch_size"})
#: Nothing that is shown is longer.
_LONGEST: Final = 500


class Request(CeleryRequest):
    """Celery's record of a received message, silent about what may be secret."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._argsrepr = "()" if not self.args else "(…)"
        self._kwargsrepr = shown(self.kwargs)
        self.request_dict.update(argsrepr=self._argsrepr, kwargsrepr=self._kwargsrepr)

    def info(self, safe: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002 - Celery's
        """Return what `inspect` shows; never the arguments as they are."""
        return super().info(safe=True)


def shown(kwargs: object) -> str:
    """Return the arguments as text that is fit for a page."""
    if not isinstance(kwargs, dict):
        return "…"
    told = {str(name): _value(str(name), value) for name, value in kwargs.items()}
    return str(saferepr(told, maxlen=_LONGEST))


def _value(name: str, value: object) -> object:
    if name == "url" and isinstance(value, str):
        return _place(value)
    return value if name in _SHOWN else "…"


def _place(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}{_port(parts.port)}{parts.path}"
    except ValueError:
        return "…"


def _port(port: int | None) -> str:
    return "" if port is None else f":{port}"
