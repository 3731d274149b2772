"""docker-compose.yml as it is shipped, brought up whole and used."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.docker.compose import PASSWORDS, Compose

Eventually = Callable[..., None]

#: What has to run, and how often at least.
SERVICES = {
    "redis-broker": 1,
    "redis-sessions": 1,
    "postgres": 1,
    "worker": 1,
    "render": 1,
    "upkeep": 1,
    "beat": 2,
    "flower": 1,
    "demo": 1,
}

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def system(
    tmp_path_factory: pytest.TempPathFactory, host_environment: dict[str, str]
) -> Iterator[Compose]:
    """Bring it all up, with the demo's site and proxies; leave no trace of it."""
    made = Compose(
        tmp_path_factory.mktemp("system"),
        "limpet-test-system",
        host_environment,
    )
    made.set(
        SESSION_CLEANUP_INTERVAL_MINUTES="0.1",
        LIMPET_SNAPSHOT_INTERVAL_SECONDS="2",
        LIMPET_AUDIT_INTERVAL_SECONDS="2",
    )
    try:
        made.do("--profile", "demo", "up", "--detach", "--wait")
        lines = made.inside("demo", "python", "-m", "lab.stand", "--lines")
        imported = ("python", "manage.py", "proxies", "import", "-")
        made.inside("worker", *imported, stdin=lines)
        yield made
        assert len(made.left()) > len(SERVICES)
    finally:
        made.run("--profile", "*", "down", "--volumes", "--timeout", "5")
    # Nothing is left of what is taken down with its volumes.
    assert made.left() == []


def _job(visitor: str, page: int) -> dict[str, Any]:
    return {
        "url": f"http://shop.test:8080/shop/{visitor}/{page}",
        "session": visitor,
    }


def _manage(system: Compose, *arguments: str) -> Any:
    return json.loads(
        system.inside("worker", "python", "manage.py", *arguments, "--json")
    )


def _flower(system: Compose, path: str, who: str = "") -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{system.flower_port}{path}")
    if who:
        token = base64.b64encode(who.encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    try:
        with _OPENER.open(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def test_every_service_is_up_and_healthy(
    system: Compose, eventually: Eventually
) -> None:
    def states() -> list[tuple[str, Any]]:
        return [
            (one["Config"]["Labels"]["com.docker.compose.service"], one["State"])
            for one in system.containers()
        ]

    def all_healthy() -> bool:
        healthy = [
            name
            for name, state in states()
            if state.get("Health", {}).get("Status") == "healthy"
        ]
        return all(healthy.count(name) >= count for name, count in SERVICES.items())

    # Another test may just have killed one and started it again.
    eventually(all_healthy, within=120)
    [migrated] = [state for name, state in states() if name == "migrate"]
    assert (migrated["Status"], migrated["ExitCode"]) == ("exited", 0)


def test_an_app_outside_sends_a_job_by_its_name_and_gets_the_page(
    system: Compose,
) -> None:
    app = system.app()

    pages = [
        app.send_task("scrape", kwargs=_job("outsider", n)).get(timeout=60)
        for n in range(1, 4)
    ]

    assert [page["status"] for page in pages] == [200] * 3
    # One address, and the cookie that counts has come back each time.
    assert len({page["proxy"] for page in pages}) == 1
    assert [
        f"<b id=seen>{n}</b>" in page["text"] for n, page in enumerate(pages, 1)
    ] == [True] * 3


def test_flower_is_closed_to_who_has_no_password(system: Compose) -> None:
    assert _flower(system, "/sessions")[0] == 401
    assert _flower(system, "/api/workers", "me:wrong")[0] == 401


def test_flower_shows_workers_and_sessions_to_who_has_it(
    system: Compose, eventually: Eventually
) -> None:
    who = PASSWORDS["FLOWER_BASIC_AUTH"]
    system.app().send_task("scrape", kwargs=_job("seen-in-flower", 1)).get(timeout=60)

    code, page = _flower(system, "/sessions", who)

    assert code == 200
    assert "seen-in-flower" in page

    def known() -> bool:
        workers = json.loads(_flower(system, "/api/workers?refresh=1", who)[1])
        return {name.split("@")[0] for name in workers} >= {
            "scrape",
            "render",
            "upkeep",
        }

    eventually(known, within=30)


def test_prometheus_of_the_monitoring_profile_has_our_figures_and_rules(
    system: Compose, eventually: Eventually
) -> None:
    system.app().send_task("scrape", kwargs=_job("counted", 1)).get(timeout=60)

    # Where it is not ready in the end, this fails.
    system.do("--profile", "monitoring", "up", "--detach", "--wait", "prometheus")

    def answer(path: str) -> Any:
        url = f"http://127.0.0.1:{system.prometheus_port}/api/v1/{path}"
        try:
            with _OPENER.open(url, timeout=20) as reply:
                return json.load(reply)["data"]
        except OSError:
            return {}

    def counted() -> bool:
        found = answer("query?query=sum(limpet_sessions)").get("result", [])
        return bool(found) and float(found[0]["value"][1]) > 0

    eventually(counted, within=90)
    [rules, *_] = answer("rules")["groups"]
    assert rules["rules"]
    assert not [rule["name"] for rule in rules["rules"] if rule.get("lastError")]


def test_beat_has_sessions_cleaned_up(system: Compose, eventually: Eventually) -> None:
    def cleaned() -> bool:
        rows = _manage(system, "schedule")["entries"]
        [found] = [row for row in rows if row["name"] == "clean up expired sessions"]
        return found["record"]["runs"] > 0 and not found["record"]["error"]

    eventually(cleaned, within=60)


def test_postgres_holds_the_history(system: Compose, eventually: Eventually) -> None:
    app = system.app()
    app.send_task("scrape", kwargs=_job("remembered", 1)).get(timeout=60)

    def rows(query: str) -> int:
        client = ("psql", "-U", "limpet", "-d", "limpet", "-tAc", query)
        return int(system.inside("postgres", *client))

    eventually(
        lambda: (
            rows("select count(*) from audit_events where session = 'remembered'") > 0
        ),
        within=60,
    )
    eventually(lambda: rows("select count(*) from pool_snapshots") > 0, within=60)


def test_a_beat_that_is_killed_is_followed_by_the_other_one(
    system: Compose, eventually: Eventually
) -> None:
    eventually(lambda: bool(_leader(system)), within=30)
    first = _leader(system)
    victim = next(
        one["Id"] for one in system.containers() if one["Config"]["Hostname"] == first
    )

    system.docker("kill", victim)

    # Its claim lasts 20 s.
    eventually(lambda: _leader(system) not in {"", first}, within=40)
    system.docker("start", victim)


def _leader(system: Compose) -> str:
    """Return the host of the active beat; nothing, if there is none."""
    beat = _manage(system, "schedule")["beat"]
    return str(beat["name"]).split(":")[0] if beat["active"] else ""


def test_containers_have_no_more_than_they_need(system: Compose) -> None:
    for one in system.containers():
        name, host = one["Name"], one["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["Privileged"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert 0 < host["Memory"] <= 2**32, name
        assert host["Init"], name
        assert one["Config"]["User"] not in {"", "root", "0"}, name
        published = [
            binding["HostIp"]
            for bindings in (host["PortBindings"] or {}).values()
            for binding in bindings
        ]
        assert set(published) <= {"127.0.0.1"}, name


def test_no_container_but_flower_knows_flower_s_password(system: Compose) -> None:
    secret = PASSWORDS["FLOWER_BASIC_AUTH"]

    knowing = {
        one["Config"]["Labels"]["com.docker.compose.service"]
        for one in system.containers()
        if any(secret in line for line in one["Config"]["Env"])
    }

    assert knowing == {"flower"}


def test_processes_show_no_password(system: Compose) -> None:
    for one in system.containers():
        if one["State"]["Running"]:
            shown = system.docker("top", one["Id"])
            assert not any(word in shown for word in PASSWORDS.values()), one["Name"]


def _has_a_way_out(system: Compose, service: str) -> bool:
    routes = system.inside(service, "cat", "/proc/net/route").splitlines()[1:]
    return any(route.split()[1] == "00000000" for route in routes)


def test_only_workers_have_a_way_out(system: Compose) -> None:
    inner = ("redis-sessions", "postgres", "beat")
    [published] = json.loads(
        system.docker("network", "inspect", f"{system.name}_published")
    )

    assert not any(_has_a_way_out(system, service) for service in inner)
    assert _has_a_way_out(system, "worker")
    # What can be reached from this machine has a route, and no address to answer to.
    masquerade = published["Options"]["com.docker.network.bridge.enable_ip_masquerade"]
    assert masquerade == "false"


def test_workers_are_scaled_and_all_of_them_answer(
    system: Compose, eventually: Eventually
) -> None:
    system.do(
        "up", "--detach", "--wait", "--no-recreate", "--scale", "worker=4", "worker"
    )

    def scraping() -> int:
        answers = system.app().control.ping(timeout=1) or []
        names = [name for answer in answers for name in answer]
        return sum(name.startswith("scrape@") for name in names)

    eventually(lambda: scraping() == 4, within=60)
