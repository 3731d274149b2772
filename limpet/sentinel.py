"""The session Redis behind Sentinels, which say who is its master."""

from typing import Any, Final
from urllib.parse import unquote, urlsplit

from redis import Redis
from redis.sentinel import Sentinel

_PORT: Final = 26_379
#: redis-py has no types for it.
_SENTINEL: Final[Any] = Sentinel
#: Seconds for a Sentinel to answer: the next one is asked then.
_ANSWER: Final = 1.0


def behind_sentinel(url: str, master: str, options: dict[str, Any]) -> Redis:
    """Return a client of the *master* that the Sentinels at *url* know.

    *url* is ``sentinel://:password@host:26379/0;sentinel://host:26379``: user, password
    and database are the master's, and stand in the first. Each new connection asks
    anew, so a client goes on with the next master by itself.
    """
    parts = [urlsplit(one) for one in url.split(";") if one]
    first = parts[0]
    sentinels = _SENTINEL(
        [(part.hostname, part.port or _PORT) for part in parts],
        sentinel_kwargs={
            "socket_timeout": _ANSWER,
            "socket_connect_timeout": _ANSWER,
            "client_name": options["client_name"],
        },
    )
    found: Redis = sentinels.master_for(
        master,
        db=int(first.path.strip("/") or 0),
        username=unquote(first.username) if first.username else None,
        password=unquote(first.password) if first.password else None,
        **options,
    )
    return found
