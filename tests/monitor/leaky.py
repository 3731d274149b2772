"""An app of ours that has tasks of somebody else, who is careless.

With ``LEAKY`` in the environment nothing is left out any more: the tests that look for
secrets must find them then.
"""

import os
from typing import Any

from limpet import showing
from tasks.celery import app

if os.environ.get("LEAKY"):

    def _as_it_is(value: Any, *_: Any, **__: Any) -> Any:
        return value

    for name in ("event", "request", "result", "error", "traceback"):
        setattr(showing, name, _as_it_is)
    setattr(showing, "arguments", lambda kwargs, *_, **__: repr(kwargs))  # noqa: B010 - its type is kept


@app.task(name="leak")
def leak(*args: object, how: str, secret: str, **_: object) -> object:
    """Return a secret, or raise one."""
    if how == "raise":
        raise ValueError(f"could not log in with {secret}" + "." * 2000)
    return {"token": secret, "text": [secret], "pages": 3}


__all__ = ["app"]
