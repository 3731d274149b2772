"""The proxies of one pool in Redis: their URLs, and how they are doing."""

from collections.abc import Iterable

from redis import Redis
from redis.exceptions import RedisError

from limpet.connection import store_error
from limpet.keys import POOLS, Keys
from limpet.scripts import Script

_PUBLISH = Script("proxies", "publish")
#: Proxies sent in one go: thousands are imported without a trip each.
_CHUNK = 500


class ProxyStore:
    """Redis for one pool; raises `StoreUnavailable` when Redis does not do its work."""

    def __init__(self, client: Redis, pool: str) -> None:
        self._client = client
        self._pool = pool
        self._keys = Keys(pool)

    def publish(self, urls: dict[str, str]) -> int:
        """Make proxies known, id to URL; return how many were new. Safe to repeat."""
        items = list(urls.items())
        new = 0
        try:
            self._client.sadd(POOLS, self._pool)
            for start in range(0, len(items), _CHUNK):
                new += self._publish(items[start : start + _CHUNK])
        except RedisError as error:
            raise store_error(error) from None
        return new

    def _publish(self, items: list[tuple[str, str]]) -> int:
        keys = self._keys
        self._client.script_load(_PUBLISH.source)
        with self._client.pipeline(transaction=False) as pipe:
            for proxy_id, url in items:
                names = (keys.proxy(proxy_id), keys.live, keys.usable, keys.cooling)
                arguments = (proxy_id, url)
                pipe.evalsha(_PUBLISH.sha, 4, *names, *arguments)
            return sum(pipe.execute())

    def url(self, proxy_id: str) -> str | None:
        """Return the whole URL of a proxy, `None` when it is not known."""
        try:
            found = self._client.hget(self._keys.proxy(proxy_id), "url")
        except RedisError as error:
            raise store_error(error) from None
        return found.decode() if isinstance(found, bytes) else found

    def live(self, proxy_ids: Iterable[str]) -> list[dict[str, str]]:
        """Return the live fields of each proxy, an empty dict where there are none."""
        try:
            with self._client.pipeline(transaction=False) as pipe:
                for proxy_id in proxy_ids:
                    pipe.hgetall(self._keys.live_proxy(proxy_id))
                rows = pipe.execute()
        except RedisError as error:
            raise store_error(error) from None
        return [{k.decode(): v.decode() for k, v in row.items()} for row in rows]

    def now_ms(self) -> int:
        """Return the server's time."""
        try:
            seconds, micros = self._client.time()
        except RedisError as error:
            raise store_error(error) from None
        return int(seconds) * 1000 + int(micros) // 1000
