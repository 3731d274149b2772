"""A key is retired: what Redis holds of the proxies moves to the new one."""

from cryptography.fernet import Fernet
from redis import Redis

from limpet.sealing import Sealer
from proxies import Proxy, ProxyPool, ProxyRecord
from proxies.store import ProxyStore

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
RECORD = ProxyRecord(Proxy("http", "10.0.0.1", 80, "me", "pw"))


def pool_with(redis: Redis, *keys: str) -> ProxyPool:
    return ProxyPool(ProxyStore(redis, "eu"), sealer=Sealer(keys))


def test_a_proxy_published_anew_opens_without_the_old_key(redis: Redis) -> None:
    pool_with(redis, OLD).publish([RECORD])

    pool_with(redis, NEW, OLD).publish([RECORD], anew=True)

    assert pool_with(redis, NEW).get(RECORD.id, "1") == RECORD.proxy


def test_a_key_that_is_lost_does_not_keep_proxies_from_being_published(
    redis: Redis,
) -> None:
    pool_with(redis, OLD).publish([RECORD])

    pool_with(redis, NEW).publish([RECORD])

    assert pool_with(redis, NEW).get(RECORD.id, "2").password == "pw"


def test_without_need_a_published_proxy_stays_as_it_is(redis: Redis) -> None:
    pool = pool_with(redis, NEW, OLD)
    pool.publish([RECORD])
    [before] = ProxyStore(redis, "eu").urls([RECORD.id])

    pool.publish([RECORD])

    assert ProxyStore(redis, "eu").urls([RECORD.id]) == [before]
