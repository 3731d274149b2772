"""What there is to see: proxies, sessions of all kinds, an hour and a day of them."""

import math
import random
import time
from dataclasses import replace
from typing import Any, Final

from redis import Redis
from sqlalchemy import Engine

from bench import stock
from history.drain import Drain
from history.figures import PoolFigures
from history.names import Names
from history.store import HistoryStore, snapshots_of
from history.totals import Totals
from limpet.keys import Keys
from limpet.names import CLEANUP_EXPIRED_SESSIONS, DRAIN_AUDIT, SNAPSHOT_METRICS
from limpet.sealing import Sealer
from limpet.upkeep import UpkeepStore
from proxies import Outcome, Proxy, ProxyPool, ProxyRecord, tables
from proxies.store import ProxyStore
from sessions import SessionManager, SessionPolicy
from sessions.store import SessionStore

#: Planted wherever a secret may be; no page may have it.
SECRET: Final = "S3cretCanary"
#: What must never become an element, a script or a request.
EVIL: Final = "<img src=x onerror=\"fetch('/evil')\"><script>alert(1)</script>"
_PLACES: Final = (
    *(("DE", "Berlin"), ("DE", "Frankfurt"), ("FR", "Paris"), ("US", "Ashburn")),
    *(("US", "Dallas"), ("GB", "London"), ("JP", "Tokyo"), ("BR", "São Paulo")),
)
_DAY: Final = 86_400
_STEP: Final = 300
_MINUTE: Final = 60


class Scene:
    """Fills a store and a database; *names* of sessions and proxies are its own."""

    def __init__(self, client: Redis, engine: Engine) -> None:
        self.client = client
        self.engine = engine
        self.proxies = ProxyPool(ProxyStore(client, "default"))
        self.sessions = SessionManager(
            "default",
            SessionStore(client, "default"),
            self.proxies,
            policy=SessionPolicy(max_rebinds=10**6),
        )
        self.records: list[ProxyRecord] = []

    def stock(self, count: int = 24) -> None:
        """Publish proxies, as an import does."""
        self.records = [_record(n) for n in range(count)]
        tables.save(self.engine, Sealer(()), "default", self.records)
        self.proxies.publish(self.records)

    def use(self, *names: str, **said: Any) -> None:
        """Make one request with each of some sessions."""
        luck = random.Random("use")
        for name in names:
            told = {"elapsed": luck.lognormvariate(-1.2, 0.6), "size": 24_000, **said}
            url = f"https://shop.example/p/{name}?key={SECRET}"
            lease = self.sessions.acquire(name, hold=30, domain="shop.example")
            self.sessions.release(lease, Outcome.OK, url=url, **told)

    def few(self) -> None:
        """Make three sessions: one that is used, one that is idle, one that is warm."""
        self.stock()
        self.use("checkout-berlin", "user-4711", "crawl@news:7")
        patch: Any = {
            "cookies": [
                {"name": n, "value": SECRET, "domain": ".shop.example", "path": "/"}
                for n in ("sid", "basket", "consent")
            ],
            "headers": {"Authorization": SECRET},
            "metadata": {"account": "ada", "note": SECRET},
        }
        lease = self.sessions.acquire("user-4711", hold=30)
        self.sessions.release(lease, Outcome.OK, elapsed=0.2, patch=patch)
        self.sessions.acquire("checkout-berlin", hold=120)

    def many(self, count: int = 100_000) -> None:
        """Make so many sessions, on proxies of every state."""
        self.stock()
        self.use(*(f"warm-up-{n}" for n in range(40)))
        stock.fill(self.sessions, self.client, stock.names(count - 40, "user"))
        self.trouble()

    def trouble(self) -> None:
        """Have some proxies fail, be banned, and rest."""
        ids = [one.id for one in self.records]
        for n, proxy in enumerate(ids):
            fields: Any = {"success": 0.97 - n % 7 / 40, "ema": 180 + 37 * (n % 9)}
            self.client.hset(Keys("default").live_proxy(proxy), mapping=fields)
            if n % 4 != 3:
                self.client.hset(Keys("default").live_proxy(proxy), "state", "healthy")
        for n, mode in ((20, "draining"), (21, "disabled")):
            tables.set_mode(self.engine, "default", ids[n], mode)
            self.proxies.set_mode(ids[n], mode)
        for n in range(3):
            name = f"blocked-{n}"
            for _ in range(2):
                domain = f"site{n}.example"
                lease = self.sessions.acquire(name, hold=30, domain=domain)
                self.sessions.release(lease, Outcome.BLOCKED, domain=domain)
        for _ in range(60):
            lease = self.sessions.acquire("unlucky", hold=30)
            self.sessions.release(lease, Outcome.FAULT)
            if len(self.down()) > 3:
                break

    def down(self) -> list[str]:
        """Return the proxies that cool down."""
        found: Any = self.client.zrange(Keys("default").cooling, 0, -1)
        return [one.decode() for one in found]

    def past(self) -> None:
        """Write a day of snapshots, the last hour of them a minute apart."""
        figures = PoolFigures.of(
            self.sessions.stats(), self.proxies.census(1000), {"disabled": 1}
        )
        now = int(self.client.time()[0])
        moments = [*range(now - _DAY, now - 3600, _STEP)]
        moments += range(now - 3600, now - 30, _MINUTE)
        luck, totals, last = random.Random("past"), Totals(), now - _DAY
        for at in moments:
            totals = _grown(totals, at, at - last, luck)
            last = at
            active = round(640 + 260 * math.sin(at / 9000) + luck.uniform(-25, 25))
            one = replace(figures, at_ms=at * 1000, active=active, totals=totals)
            text: Any = {"json": one.dump()}
            self.client.xadd(snapshots_of("default"), text, id=f"{at * 1000}-0")
        drain = Drain(HistoryStore(self.client), self.engine, Names())
        while drain.snapshots("default").more:
            pass

    def ran(self) -> None:
        """Have upkeep run: well, in vain, and not for long."""
        store = UpkeepStore(self.client)
        store.lead("token", "worker-1.example:4711")
        for task, result, error in (
            (CLEANUP_EXPIRED_SESSIONS, '{"sessions": 128, "leases": 3}', ""),
            (SNAPSHOT_METRICS, '{"pools": 1}', ""),
            (DRAIN_AUDIT, "", "StoreUnavailable: cannot reach the database"),
        ):
            _, began = store.begin(
                task, "t", message=task, slot="", sent_ms=0, by="upkeep@worker-1"
            )
            store.end(task, "t", began_ms=began, result=result, error=error)
        hour = round(time.time() - 3600) * 1000
        self.client.hset("limpet:{upkeep}:r:settle_leases", "started", hour)
        self.client.hset("limpet:{upkeep}:sent", "settle leases of dead workers", hour)
        self.client.hset("limpet:{upkeep}:beat", "since", hour)

    def evil(self) -> ProxyRecord:
        """Make a session, and a proxy, whose every word is markup."""
        keys, soon = Keys("default"), round(time.time() * 1000) + 600_000
        proxy = Proxy("http", "203.0.113.250", 80, "u", SECRET)
        word = EVIL[:64].strip()
        one = ProxyRecord(proxy, region=word, city=word, provider=word)
        tables.save(self.engine, Sealer(()), "default", [one])
        self.proxies.publish([one])
        fields: Any = {"p": one.id, "d": 0, "x": soon, "a": soon, "t": 1, "m": 1}
        self.client.hset(keys.session(EVIL), mapping={**fields, "w": f"http://{EVIL}/"})
        self.client.zadd(keys.expiry, {EVIL: soon})
        self.client.hincrby(keys.loads, one.id, 1)
        event: Any = {"event": EVIL, "session": EVIL, "proxy": one.id, "reason": EVIL}
        self.client.xadd(keys.audit, event)
        return one


def damaged_record(*, host: str = "203.0.113.200", tag: str = "a") -> ProxyRecord:
    """A proxy that no command takes; a program that is not ours may write it."""
    one = ProxyRecord(Proxy("http", host, 80, "u", SECRET))
    object.__setattr__(one, "tags", (tag,))
    return one


def _record(n: int) -> ProxyRecord:
    country, city = _PLACES[n % len(_PLACES)]
    kinds = (("datacenter",), ("mobile", "premium"), ("residential",))
    return ProxyRecord(
        Proxy("http", f"203.0.113.{n + 10}", 8000 + n, f"user-{n}", SECRET),
        country=country,
        city=city,
        provider="Example Proxies",
        tags=kinds[n % 3],
    )


def _grown(totals: Totals, at: int, seconds: int, luck: random.Random) -> Totals:
    pages = round(seconds * (7 + 3 * math.sin(at / 5000) + luck.uniform(-0.6, 0.6)))
    responses = dict(totals.responses)
    for bound, share in (
        (100, 0.15),
        (200, 0.5),
        (500, 0.25),
        (1000, 0.08),
        (3000, 0.02),
    ):
        count = responses.get(str(bound), 0) + round(pages * share)
        responses[str(bound)] = count
    return replace(
        totals,
        requests=totals.requests + pages,
        created=totals.created + pages // 40,
        failovers=totals.failovers + (luck.random() < 0.12) * luck.randint(1, 5),
        responses=responses,
    )
