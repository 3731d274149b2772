"""A key is retired: what Redis holds of the proxies moves to the new one."""

from dataclasses import replace

import pytest
from cryptography.fernet import Fernet
from redis import Redis

from limpet.sealing import Sealer
from proxies import Outcome, Proxy, ProxyPool, ProxyRecord, Tried
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


@pytest.mark.parametrize(("password", "waits"), [("pw", 3600), ("new", 0)])
def test_a_dead_proxy_is_tried_at_once_for_a_new_password_and_not_for_a_new_seal(
    redis: Redis, password: str, waits: int
) -> None:
    pool = pool_with(redis, OLD)
    pool.publish([RECORD])
    for _ in range(3):
        pool.report(RECORD.id, Tried(Outcome.REFUSED, 0.1))
    assert pool.status([RECORD])[0].state == "dead"

    renewed = replace(RECORD, proxy=replace(RECORD.proxy, password=password))
    pool_with(redis, NEW, OLD).publish([renewed], anew=True)

    assert min(3600, pool.status([RECORD])[0].due) == waits


def test_a_new_seal_makes_no_worker_dial_anew(redis: Redis) -> None:
    pool_with(redis, OLD).publish([RECORD])
    [before] = ProxyStore(redis, "eu").live([RECORD.id])

    pool_with(redis, NEW, OLD).publish([RECORD], anew=True)

    [after] = ProxyStore(redis, "eu").live([RECORD.id])
    assert after["version"] == before["version"]


def test_a_password_that_came_meanwhile_is_not_taken_for_a_new_seal(
    redis: Redis,
) -> None:
    store = ProxyStore(redis, "eu")
    row = (RECORD.id, "sealed once", "", 1, 0, 0, 1)
    store.publish([(*row, "")])
    [before] = store.live([RECORD.id])

    store.publish([(row[0], "sealed again", *row[2:], "what was there when I looked")])

    [after] = store.live([RECORD.id])
    assert int(after["version"]) == int(before["version"]) + 1


def test_a_dead_proxy_that_is_published_unchanged_refuses_as_before(
    redis: Redis,
) -> None:
    pool = pool_with(redis)
    pool.publish([RECORD])
    for _ in range(3):
        pool.report(RECORD.id, Tried(Outcome.REFUSED, 0.1))

    pool.publish([RECORD])

    assert pool.report(RECORD.id, Tried(Outcome.REFUSED, 0.1)).state == "dead"
