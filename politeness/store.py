"""What all workers know of a site together: its limits, and its robots.txt."""

import zlib
from typing import Any, Final

from redis import Redis

from limpet.connection import STORE_ERRORS, store_error
from limpet.keys import DomainKeys, robots_down_key, robots_key
from limpet.scripts import Script

_TAKE: Final = Script("politeness", "take")
_GIVE: Final = Script("politeness", "give")
_SLOW: Final = Script("politeness", "slow")
#: How long a robots.txt is kept for times when the site has none to give, in seconds.
_KEEP: Final = 7 * 86_400


class DomainStore:
    """Redis for all domains; raises `StoreUnavailable` when it does not do its work."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def take(self, domain: str, nonce: str, options: list[int | float]) -> list[Any]:
        """Return the script's reply as it is; *options* are its arguments from 2 on."""
        keys = DomainKeys(domain)
        reply = self._run(_TAKE, [keys.state, keys.slots], [nonce, *options])
        assert isinstance(reply, list)
        return reply

    def give(self, domain: str, nonce: str, turns: tuple[str, str]) -> bool:
        """Give a slot back; *turns* are what taking it changed, if it was not used."""
        keys = DomainKeys(domain)
        return self._run(_GIVE, [keys.state, keys.slots], [nonce, *turns]) == 1

    def pause(self, domain: str, seconds: float) -> None:
        self._run(_SLOW, [DomainKeys(domain).state], [_ms(seconds), "", 0])

    def crawl_delay(self, domain: str, seconds: float, *, keep: float) -> None:
        """Let *seconds* pass between two requests, for *keep* seconds from now on."""
        self._run(_SLOW, [DomainKeys(domain).state], [0, _ms(seconds), _ms(keep)])

    def _run(self, script: Script, keys: list[str], args: list[Any]) -> object:
        try:
            return script(self._client, keys, args)
        except STORE_ERRORS as error:
            raise store_error(error) from None


class RobotsStore:
    """The robots.txt files that somebody has fetched."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def get(self, origin: str) -> tuple[bytes | None, float, bool]:
        """Return the file, its age in seconds, and whether it was not to be had."""
        try:
            with self._client.pipeline(transaction=False) as pipe:
                pipe.get(robots_key(origin))
                pipe.pttl(robots_key(origin))
                pipe.exists(robots_down_key(origin))
                body, left, down = pipe.execute()
        except STORE_ERRORS as error:
            raise store_error(error) from None
        found = None if body is None else zlib.decompress(body)
        return found, _KEEP - left / 1000, bool(down)

    def put(self, origin: str, body: bytes) -> None:
        """Keep *body*; an empty one allows everything."""
        try:
            self._client.set(robots_key(origin), zlib.compress(body), ex=_KEEP)
        except STORE_ERRORS as error:
            raise store_error(error) from None

    def set_down(self, origin: str, seconds: float) -> None:
        """Remember for *seconds* that the file cannot be had."""
        try:
            self._client.set(robots_down_key(origin), b"1", px=_ms(seconds))
        except STORE_ERRORS as error:
            raise store_error(error) from None


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
