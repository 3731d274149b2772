"""A job with a key is done once, whatever happens to the workers that do it."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from limpet.errors import StoreUnavailable
from results.store import ClaimState, Delivery, DeliveryState, OnceStore

Eventually = Callable[..., None]
MINE, RUNNING, DONE, OTHER = ClaimState


@pytest.fixture
def store(redis: Redis) -> OnceStore:
    return OnceStore(redis, "default")


def _claim(
    store: OnceStore,
    task: str,
    *,
    key: str = "order-7",
    fingerprint: str = "f",
    window: float = 60,
    hold: float = 30,
) -> tuple[ClaimState, str]:
    return store.claim(key, task, fingerprint=fingerprint, window=window, hold=hold)


def test_the_first_with_a_key_runs_and_the_others_hear_whose_it_is(
    store: OnceStore,
) -> None:
    first, second = _claim(store, "t-1"), _claim(store, "t-2")
    other = _claim(store, "t-3", key="order-8")

    assert (first, second) == ((MINE, "t-1"), (RUNNING, "t-1"))
    assert other == (MINE, "t-3")
    assert store.finish("order-7", "t-1", done=True)
    assert _claim(store, "t-2") == (DONE, "t-1")


def test_of_any_number_that_race_one_is_the_first(store: OnceStore) -> None:
    with ThreadPoolExecutor(16) as threads:
        tasks = [f"t-{n}" for n in range(64)]
        found = list(threads.map(lambda task: _claim(store, task), tasks))

    owners = {owner for _, owner in found}
    assert [state for state, _ in found].count(MINE) == 1
    assert len(owners) == 1


def test_a_redelivered_job_goes_on_and_renews_its_claim(
    store: OnceStore, redis: Redis
) -> None:
    _claim(store, "t-1", hold=5)
    [key] = redis.scan_iter("{default}:k:*")

    again = _claim(store, "t-1", hold=500)

    assert again == (MINE, "t-1")
    assert redis.ttl(key) > 400


def test_pools_have_keys_of_their_own(store: OnceStore, redis: Redis) -> None:
    _claim(store, "t-1")

    assert _claim(OnceStore(redis, "other"), "t-2") == (MINE, "t-2")


def test_a_job_that_is_never_heard_of_again_blocks_for_a_while_only(
    store: OnceStore, eventually: Eventually
) -> None:
    _claim(store, "t-1", hold=0.2)

    eventually(lambda: _claim(store, "t-2") == (MINE, "t-2"))

    assert not store.finish("order-7", "t-1", done=True), "it is another one's by now"
    assert _claim(store, "t-3") == (RUNNING, "t-2")


def test_a_key_counts_until_its_window_ends(
    store: OnceStore, redis: Redis, eventually: Eventually
) -> None:
    _claim(store, "t-1", window=1)
    store.finish("order-7", "t-1", done=True)

    assert _claim(store, "t-2") == (DONE, "t-1")
    eventually(lambda: _claim(store, "t-3") == (MINE, "t-3"))


def test_a_job_that_failed_leaves_its_key_to_the_next(store: OnceStore) -> None:
    _claim(store, "t-1")

    assert not store.finish("order-7", "t-2", done=False), "it is not its own"
    assert store.finish("order-7", "t-1", done=False)
    assert _claim(store, "t-2") == (MINE, "t-2")


def test_a_key_with_another_job_is_a_mistake(store: OnceStore) -> None:
    _claim(store, "t-1")

    assert _claim(store, "t-2", fingerprint="g") == (OTHER, "t-1")


@pytest.mark.parametrize("key", ["", "{x}:y", "☃\0\n", "S3cret" * 40, "\ud83d"])
def test_a_key_may_be_any_text_and_is_not_told(
    store: OnceStore, redis: Redis, key: str
) -> None:
    assert _claim(store, "t-1", key=key) == (MINE, "t-1")
    assert _claim(store, "t-2", key=key) == (RUNNING, "t-1")
    [kept] = [name.decode() for name in redis.scan_iter()]
    assert "S3cret" not in kept
    assert kept.startswith("{default}:k:")


def test_a_delivery_has_one_worker_at_a_time(store: OnceStore) -> None:
    it = Delivery("d-1", "h:80")
    store.announce(it, keep=60)

    states = [store.deliver(it, token, hold=30)[0] for token in "aba"]
    _, wait = store.deliver(it, "b", hold=30)

    # The third is the first one's own: a reply was lost, and it was sent again.
    assert states == [DeliveryState.GO, DeliveryState.WAIT, DeliveryState.GO]
    assert 20 < wait <= 30
    store.delivered(it, "a", keep=60)
    assert store.deliver(it, "c", hold=30) == (DeliveryState.DONE, 0)
    assert store.announced(it)


def test_a_late_failure_does_not_undo_what_another_has_delivered(
    store: OnceStore, eventually: Eventually
) -> None:
    it = Delivery("d-1", "h:80")
    store.deliver(it, "slow", hold=0.1)
    eventually(lambda: store.deliver(it, "other", hold=30)[0] is DeliveryState.GO)

    store.undelivered(it, "slow", keep=60, rest=0)
    still, _ = store.deliver(it, "third", hold=30)
    store.delivered(it, "slow", keep=60)
    store.undelivered(it, "other", keep=60, rest=0)

    assert still is DeliveryState.WAIT
    assert store.deliver(it, "third", hold=30)[0] is DeliveryState.DONE


def test_a_receiver_that_is_away_rests_for_all_its_webhooks(
    store: OnceStore, eventually: Eventually
) -> None:
    one, two = Delivery("d-1", "h:80"), Delivery("d-2", "h:80")
    store.deliver(one, "a", hold=30)
    store.undelivered(one, "a", keep=60, rest=0.5)

    state, wait = store.deliver(two, "b", hold=30)

    assert state is DeliveryState.WAIT
    assert 0 < wait <= 0.5
    elsewhere = store.deliver(Delivery("d-3", "other:80"), "c", hold=30)
    assert elsewhere[0] is DeliveryState.GO
    eventually(lambda: store.deliver(two, "b", hold=30)[0] is DeliveryState.GO)


def test_a_redis_that_is_away_is_an_error_of_ours(free_port: Callable[[], int]) -> None:
    away = OnceStore(Redis(port=free_port()), "default")
    it = Delivery("d", "h")

    for call in (
        lambda: _claim(away, "t"),
        lambda: away.finish("k", "t", done=True),
        lambda: away.announced(it),
        lambda: away.announce(it, keep=1),
        lambda: away.deliver(it, "a", hold=1),
    ):
        start = time.monotonic()
        with pytest.raises(StoreUnavailable):
            call()
        assert time.monotonic() - start < 30
