"""The Schedule tab: what runs by itself, when, and how it went."""

import json
import time

from pydantic import SecretStr
from redis import Redis

from beat_schedule import ENTRIES
from limpet.keys import BEAT, BEAT_SENT, TaskKeys
from limpet.names import CLEANUP_EXPIRED_SESSIONS, SNAPSHOT_METRICS
from limpet.settings import Settings
from limpet.upkeep import UpkeepStore
from tests.conftest import Eventually
from tests.pages.site import Seen, Site, login, serving, with_options
from tests.redis_server import RedisServer


def ran(redis: Redis, task: str, *, error: str = "", worker: str = "one@host") -> None:
    """Run an upkeep task that takes no time and removes twelve sessions."""
    store = UpkeepStore(redis)
    _, began = store.begin(task, "t", message="m", slot="", sent_ms=0, by=worker)
    result = "" if error else json.dumps({"sessions": 12, "leases": 0})
    store.end(task, "t", began_ms=began, result=result, error=error)


def row(page: Seen, task: str) -> list[str]:
    [name] = [one.name for one in ENTRIES if one.task == task]
    [found] = [cells for cells in page.rows("limpet-schedule") if name in cells[0]]
    return found


def test_each_entry_is_there_with_its_variable(site: Site) -> None:
    page = site.get("/schedule")

    assert page.status == 200
    assert len(page.rows("limpet-schedule")) == len(ENTRIES)
    assert "LIMPET_SNAPSHOT_INTERVAL_SECONDS=60" in row(page, SNAPSHOT_METRICS)[0]


def test_it_says_how_to_begin_where_nothing_ever_ran(site: Site) -> None:
    page = site.get("/schedule")

    assert "No beat has ever run" in page.words
    assert "celery -A tasks beat" in page.words
    assert {cells[1] for cells in page.rows("limpet-schedule")} == {"never"}


def test_a_run_is_told_with_its_result_and_its_worker(site: Site, redis: Redis) -> None:
    ran(redis, CLEANUP_EXPIRED_SESSIONS, worker="upkeep@host")

    cells = row(site.get("/schedule"), CLEANUP_EXPIRED_SESSIONS)

    assert cells[1].endswith(" ago")
    assert cells[2] == "sessions 12 upkeep@host"
    assert cells[4:6] == ["1", "0"]


def test_a_failed_run_is_told_with_its_error(site: Site, redis: Redis) -> None:
    ran(redis, SNAPSHOT_METRICS, error="StoreUnavailable: <b>gone</b>")

    page = site.get("/schedule")

    assert "failed: StoreUnavailable: <b>gone</b>" in row(page, SNAPSHOT_METRICS)[2]
    assert "<b>gone" not in page.text


def test_the_active_beat_is_named(site: Site, redis: Redis) -> None:
    UpkeepStore(redis).lead("token", "host-7:4711")

    words = site.get("/schedule").words

    assert "Beat active host-7:4711, for" in words
    assert "Nothing has run yet" not in words


def test_what_is_overdue_is_red_and_what_is_off_names_its_switch(
    settings: Settings, redis: Redis
) -> None:
    hour = round(time.time() - 3600) * 1000
    redis.hset(BEAT, mapping={"name": "host:1", "since": hour, "tick": hour})
    redis.hset(BEAT_SENT, "snapshot metrics", hour)
    redis.hset(TaskKeys(SNAPSHOT_METRICS).record, "started", hour)
    off = settings.model_copy(update={"session_cleanup_enabled": False})

    with serving(off) as site:
        page = site.get("/schedule")

    late = page.find("//tr[contains(@class, 'limpet-overdue')]/@data-task")
    assert SNAPSHOT_METRICS in late
    assert CLEANUP_EXPIRED_SESSIONS not in late
    assert row(page, SNAPSHOT_METRICS)[-1] == "overdue"
    assert "SESSION_CLEANUP_ENABLED" in row(page, CLEANUP_EXPIRED_SESSIONS)[-1]


def test_our_tabs_are_on_flowers_own_pages_too(site: Site) -> None:
    for path, active in (("/workers", "Workers"), ("/schedule", "Schedule")):
        page = site.get(path)

        tabs = page.find("//ul[contains(@class, 'app-nav')][1]//a/text()")
        assert tabs[:3] == ["Workers", "Tasks", "Broker"]
        assert tabs[-1] == "Schedule"
        assert page.find("//nav//a[@aria-current='page']/text()") == [active]


def test_tabs_and_files_keep_to_a_prefix(settings: Settings) -> None:
    with with_options(url_prefix="fl"), serving(settings) as site:
        page = site.get("/fl/schedule")
        files = page.find(
            "//*[contains(@src | @href, '/limpet/')]/@*[. != 'stylesheet']"
        )
        answers = [site.ask(one).status for one in files]

    assert page.find("//a[text()='Schedule']/@href") == ["/fl/schedule"]
    assert answers == [200, 200]


def test_a_page_needs_the_login_that_flower_has(site: Site) -> None:
    with with_options(basic_auth=["ada:pw"]):
        assert site.ask("/schedule").status == 401
        assert site.ask("/schedule", headers=login("ada:no")).status == 401
        assert site.ask("/schedule", headers=login()).status == 200


def test_a_page_is_in_no_frame_and_takes_nothing_from_elsewhere(site: Site) -> None:
    page = site.get("/schedule")

    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.find("//script[not(@src)] | //style | //main//@style") == []
    assert page.find("//@*[starts-with(name(), 'on')]") == []
    fetched = page.find("//script/@src | //link/@href | //img/@src")
    assert [one for one in fetched if not one.startswith("/")] == []


def test_a_store_that_hangs_is_told_in_time(
    settings: Settings, store_server: RedisServer, eventually: Eventually
) -> None:
    where = {"redis_url": SecretStr(store_server.url), "health_timeout_seconds": 0.5}
    with serving(settings.model_copy(update=where)) as site:
        assert site.get("/schedule").status == 200
        store_server.freeze()
        try:
            away = site.get("/schedule")
            own = site.get("/workers")
        finally:
            store_server.thaw()
        eventually(lambda: site.get("/schedule").status == 200)

    assert away.status == 503
    assert "The session store does not answer" in away.words
    assert own.status == 200
