"""Which proxy a session gets: strategies, filters, exclusions, limits."""

from pathlib import Path

import pytest
from redis import Redis

from limpet.errors import ConfigurationError, InvalidSelection, NoProxyAvailable
from proxies import (
    Selection,
    where,
)
from proxies.strategies import strategies
from tests.proxies.pools import KEYS, Pools, picks, record


def test_round_robin_is_even_to_one(pool_of: Pools) -> None:
    _, manager = pool_of([record(n) for n in range(7)])

    seen = picks(manager, 100)

    assert max(seen.values()) - min(seen.values()) <= 1


def test_weights_are_kept_within_half_a_percent(pool_of: Pools) -> None:
    records = [record(n, weight=float(n + 1)) for n in range(4)]
    _, manager = pool_of(records, strategy="weighted")

    seen = picks(manager, 2000)

    for n, one in enumerate(records):
        assert seen[one.id] / 2000 == pytest.approx((n + 1) / 10, abs=0.005)


def test_performance_is_inverse_to_the_response_time(
    pool_of: Pools, redis: Redis
) -> None:
    records = [record(n) for n in range(3)]
    _, manager = pool_of(records, strategy="performance")
    times = (50, 100, 200)
    for one, ms in zip(records, times, strict=True):
        redis.hset(KEYS.live_proxy(one.id), "ema", ms)

    seen = picks(manager, 1400)

    for one, ms in zip(records, times, strict=True):
        assert seen[one.id] / 1400 == pytest.approx(200 / ms / 7, rel=0.02)


def test_a_proxy_nobody_has_tried_counts_as_300_ms(
    pool_of: Pools, redis: Redis
) -> None:
    known, new = record(1), record(2)
    _, manager = pool_of([known, new], strategy="performance")
    redis.hset(KEYS.live_proxy(known.id), "ema", 100)

    seen = picks(manager, 400)

    assert seen[known.id] == pytest.approx(300, abs=5)


def test_random_passes_the_chi_square_test(pool_of: Pools) -> None:
    _, manager = pool_of([record(n) for n in range(10)], strategy="random")

    seen = picks(manager, 2000)

    statistic = sum((count - 200) ** 2 / 200 for count in seen.values())
    # 9 degrees of freedom: a fair lot is over 33.7 once in 10,000 runs.
    assert len(seen) == 10
    assert statistic < 33.7


def test_the_least_used_are_nearly_even(pool_of: Pools) -> None:
    _, manager = pool_of([record(n) for n in range(1000)], strategy="least_used")

    seen = picks(manager, 10_000)

    assert max(seen.values()) - min(seen.values()) <= 4
    assert len(seen) == 1000


def test_a_filter_is_exact(pool_of: Pools) -> None:
    records = [
        record(n, country="US" if n % 2 else "DE", tags=("mobile",) if n % 3 else ())
        for n in range(60)
    ]
    _, manager = pool_of(records)
    wanted = Selection(where=where(country="us", tags=["mobile"]))

    seen = picks(manager, 60, wanted)

    fitting = {r.id for r in records if r.country == "US" and r.tags}
    assert set(seen) == fitting
    assert max(seen.values()) - min(seen.values()) <= 1


def test_what_comes_after_a_filter_was_first_used_is_found_by_it(
    pool_of: Pools,
) -> None:
    pool, manager = pool_of([record(1, country="US"), record(2, country="DE")])
    wanted = Selection(where=where(country="US"))
    picks(manager, 2, wanted)

    pool.publish([record(3, country="US"), record(2, country="US")])
    pool.publish([record(1, country="DE")])

    assert set(picks(manager, 10, wanted)) == {record(2).id, record(3).id}


def test_excluded_proxies_are_never_chosen(pool_of: Pools) -> None:
    records = [record(n) for n in range(20)]
    _, manager = pool_of(records)
    excluded = tuple(one.id for one in records[:16])

    for strategy in ("round_robin", "random", "least_used", "weighted", "performance"):
        seen = picks(manager, 8, Selection(strategy, exclude=excluded))

        assert set(seen) <= {one.id for one in records[16:]}


def test_an_excluded_proxy_is_left_by_the_session_that_has_it(pool_of: Pools) -> None:
    _, manager = pool_of([record(n) for n in range(3)])
    first = manager.acquire("s", hold=30)
    manager.release(first)

    moved = manager.acquire(
        "s", hold=30, selection=Selection(exclude=(first.proxy.id,))
    )

    assert moved.moved
    assert moved.proxy != first.proxy


def test_a_fallback_is_asked_when_the_filter_finds_none(pool_of: Pools) -> None:
    _, manager = pool_of([record(n, country="DE") for n in range(3)])
    nowhere = where(country="FR")

    with pytest.raises(NoProxyAvailable) as caught:
        picks(manager, 1, Selection(where=nowhere))
    found = picks(manager, 3, Selection(where=nowhere, fallback=Selection("random")))

    assert (caught.value.retry_after, caught.value.usable) == (None, 3)
    assert sum(found.values()) == 3


def test_a_strategy_of_ones_own_is_a_file(pool_of: Pools, tmp_path: Path) -> None:
    source = "return by_turns(function(proxy) return proxy.weight * proxy.weight end)"
    (tmp_path / "lightest.lua").write_text(source)
    records = [record(1, weight=1.0), record(2, weight=2.0)]
    _, manager = pool_of(records, strategy="lightest", own=tmp_path)

    seen = picks(manager, 100)

    assert seen[records[0].id] == 80


@pytest.mark.parametrize("name", ["Bad.lua", "round_robin.lua", "x-y.lua"])
def test_a_strategy_has_a_name_that_can_be_used(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("return by_lot(1)")

    with pytest.raises(ConfigurationError, match="LIMPET_STRATEGIES_DIR"):
        strategies(tmp_path)


def test_an_unknown_strategy_is_named_with_those_there_are(pool_of: Pools) -> None:
    _, manager = pool_of([record(1)])

    with pytest.raises(InvalidSelection, match="round_robin"):
        picks(manager, 1, Selection("fastest"))


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("where", ("country",)), ("exclude", ("nobody",)), ("exclude", ("0" * 10,) * 17)],
)
def test_a_selection_says_what_is_wrong_with_it(
    field: str, wrong: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidSelection, match=f"^{field}:"):
        Selection(**{field: wrong})  # type: ignore[arg-type] # wrong on purpose


def test_a_full_proxy_takes_no_more(pool_of: Pools) -> None:
    _, manager = pool_of([record(1, max_concurrency=2), record(2, max_concurrency=1)])

    seen = picks(manager, 3)
    with pytest.raises(NoProxyAvailable) as caught:
        picks(manager, 1)

    assert seen == {record(1).id: 2, record(2).id: 1}
    assert caught.value.retry_after == 1


def test_one_full_head_does_not_hide_the_others(pool_of: Pools) -> None:
    _, manager = pool_of([record(n, max_concurrency=1) for n in range(100)])

    seen = picks(manager, 100)

    assert set(seen.values()) == {1}
