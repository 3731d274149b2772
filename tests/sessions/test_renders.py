"""What a session, and its pool, keep of pages in a browser."""

from redis import Redis

from proxies import Outcome
from sessions import SessionManager
from sessions.transfer import export_sessions, import_sessions


def test_pages_in_a_browser_are_counted_apart_from_requests(
    manager: SessionManager,
) -> None:
    for seconds in (0.2, 0.2, 1.9):
        lease = manager.acquire("s", hold=5)
        manager.release(lease, Outcome.OK, rendered=seconds, size=10)
    lease = manager.acquire("s", hold=5)
    manager.release(lease, Outcome.OK, elapsed=0.05)

    found, stats = manager.get("s"), manager.stats()

    assert found is not None
    assert (found.rendered, found.render_mean_ms) == (3, 766.7)
    assert found.renders == {200: 2, 2000: 1}
    assert (found.render_ms(0.5), found.render_ms(1)) == (187.5, 2000)
    assert (found.measured, found.mean_ms, found.bytes) == (1, 50.0, 30)
    assert stats.renders == {200: 2, 2000: 1}
    assert stats.times == {50: 1}
    assert stats.counters["acquired"] == 4


def test_a_page_that_is_told_of_twice_counts_once(manager: SessionManager) -> None:
    lease = manager.acquire("s", hold=5)

    for _ in range(2):
        manager.release(lease, Outcome.OK, rendered=0.2)

    found = manager.get("s")
    assert found is not None
    assert (found.rendered, manager.stats().renders) == (1, {200: 1})


def test_the_page_of_a_temporary_session_counts_for_its_pool(
    manager: SessionManager,
) -> None:
    manager.release(manager.acquire(None, hold=5), Outcome.OK, rendered=0.2)

    assert manager.stats().renders == {200: 1}


def test_a_page_says_nothing_about_how_fast_its_proxy_is(
    manager: SessionManager, redis: Redis
) -> None:
    lease = manager.acquire("s", hold=5)

    manager.release(lease, Outcome.OK, rendered=30)

    assert redis.hget(f"{{default}}:d:{lease.proxy.id}", "ema") == b"0"


def test_a_session_without_pages_in_a_browser_keeps_no_field_for_them(
    manager: SessionManager, redis: Redis
) -> None:
    manager.release(manager.acquire("s", hold=5), Outcome.OK, elapsed=0.1)

    fields = set(redis.hgetall("{default}:s:s"))
    assert not fields & {b"c", b"r", b"h"}


def test_counts_of_pages_survive_an_export(manager: SessionManager) -> None:
    manager.release(manager.acquire("s", hold=5), Outcome.OK, rendered=0.2)
    lines = list(export_sessions(manager))

    import_sessions(manager, lines, replace=True)

    found = manager.get("s")
    assert found is not None
    assert (found.rendered, found.renders) == (1, {200: 1})
