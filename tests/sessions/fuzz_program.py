"""Random operations on one pool by one of several processes; see test_fuzz.py.

Arguments: URL, cluster, processes, operations of each, seed.
"""

import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from limpet.connection import connect
from limpet.errors import LimpetError, StoreUnavailable
from proxies import (
    HealthPolicy,
    Outcome,
    Proxy,
    ProxyPool,
    ProxyRecord,
    Selection,
    Tried,
)
from proxies.store import ProxyStore
from sessions import Lease, Reason, SessionManager, SessionPolicy
from sessions.operation import Tally
from sessions.session import Full, Sticky
from sessions.state import StatePatch
from sessions.store import SessionStore

HEALTH = HealthPolicy(max_failures=2, cooldown=0.02, window=0.05)
PROXIES = [
    ProxyRecord(
        Proxy("http", f"10.1.0.{n}", 8080, "u", "pw"),
        country="US" if n % 2 else "DE",
        tags=("mobile",) if n % 3 == 0 else (),
        max_concurrency=2 if n % 5 == 0 else 0,
        weight=1 + n % 4,
    )
    for n in range(24)
]
STRATEGIES = ("round_robin", "random", "weighted", "least_used", "performance")
FILTERS = ((), ("country:US",), ("country:DE", "tag:mobile"), ("country:FR",))
DOMAINS = ("", "", "", "a.test", "b.test")
MODES = ("", "", "draining", "evacuating", "disabled")


class Fuzzer:
    """What one process does; *held* are leases that it has not given back."""

    def __init__(self, luck: Random) -> None:
        client = connect(sys.argv[1], cluster=sys.argv[2] == "1")
        store = SessionStore(client, "default", health=HEALTH)
        self.pool = ProxyPool(ProxyStore(client, "default"), health=HEALTH)
        self.sessions = SessionManager("default", store, self.pool, margin=0)
        self.luck = luck
        self.held: list[Lease] = []
        self.done: Counter[str] = Counter()

    def step(self) -> None:
        name = self.luck.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        try:
            getattr(self, name)()
        except StoreUnavailable:
            raise
        except LimpetError as error:
            self.done[f"{name}:{type(error).__name__}"] += 1
        else:
            self.done[name] += 1

    def acquire(self) -> None:
        wanted = self.luck.choice([self.session(), self.session(), None])
        policy, selection = self.policy(), self.selection()
        domain = self.luck.choice(DOMAINS)
        self.held.append(
            self.sessions.acquire(
                wanted,
                hold=self.hold(),
                policy=policy,
                selection=selection,
                domain=domain,
            )
        )

    def release(self) -> None:
        if lease := self.lease():
            domain = self.luck.choice(DOMAINS)
            self.sessions.release(lease, **self.ending(), domain=domain)

    def release_and_acquire(self) -> None:
        if lease := self.lease():
            ending = self.ending()
            del ending["close"], ending["fault"]
            taken = self.sessions.release_and_acquire(
                lease,
                ending.pop("outcome"),
                self.luck.choice([lease.session, self.session()]),
                hold=self.hold(),
                selection=self.selection(),
                **ending,
            )
            self.held.append(taken)

    def borrow(self) -> None:
        order = self.luck.choice(["lru", "next"])
        lease = self.sessions.borrow(
            hold=self.hold(), order=order, selection=self.selection()
        )
        self.held.append(lease)

    def abandon(self) -> None:
        self.lease()

    def renew(self) -> None:
        if self.held:
            self.sessions.renew(self.luck.choice(self.held), hold=self.hold())

    def progress(self) -> None:
        if self.held:
            tally = Tally()
            for _ in range(self.luck.randrange(4)):
                tally.add(self.luck.random(), 100, "https://a.test/")
            at = self.luck.randrange(len(self.held))
            patch = StatePatch(user_agent=self.text())
            self.held[at], _ = self.sessions.progress(
                self.held[at],
                tally,
                hold=self.hold(),
                patch=self.luck.choice([None, patch]),
            )

    def touch(self) -> None:
        self.sessions.touch(self.session())

    def close(self) -> None:
        self.sessions.close(self.session(), self.luck.choice(list(Reason)))

    def reap(self) -> None:
        self.sessions.expire(self.luck.choice([1, 5, 50]))

    def warm(self) -> None:
        self.sessions.warm(self.luck.randrange(3), policy=self.policy())

    def put_state(self) -> None:
        name = self.session()
        if state := self.sessions.state(name):
            self.sessions.put_state(name, state.patched({"user_agent": self.text()}))

    def migrate(self) -> None:
        self.sessions.migrate(self.session(), self.record().id)

    def evacuate(self) -> None:
        for _ in self.sessions.evacuate(self.record().id):
            pass

    def mode(self) -> None:
        self.pool.set_mode(self.record().id, self.luck.choice(MODES))

    def remove(self) -> None:
        self.pool.set_mode(self.record().id, "removed")

    def publish(self) -> None:
        record = self.record()
        soon = datetime.now(UTC) + timedelta(seconds=self.luck.uniform(-0.1, 0.5))
        changes: list[dict[str, Any]] = [
            *({}, {}, {}),
            {"expires": soon},
            {"enabled": False},
            {"tags": ("mobile", "new")},
            {"max_concurrency": 1},
            {"proxy": replace(record.proxy, password=self.text())},
        ]
        self.pool.publish([replace(record, **self.luck.choice(changes))])

    def report(self) -> None:
        outcome = self.luck.choice([Outcome.OK, Outcome.OK, *Outcome])
        self.pool.report(self.record().id, Tried(outcome, self.luck.random()))

    # --- what the operations are made of ----------------------------------------

    def lease(self) -> Lease | None:
        if not self.held:
            return None
        return self.held.pop(self.luck.randrange(len(self.held)))

    def session(self) -> str:
        return f"s{self.luck.randrange(60)}"

    def record(self) -> ProxyRecord:
        return self.luck.choice(PROXIES)

    def text(self) -> str:
        return "x" * self.luck.randrange(1, 900)

    def hold(self) -> float:
        return self.luck.choice([0.001, 0.005, 0.05, 0.3])

    def policy(self) -> SessionPolicy:
        one_of = self.luck.choice
        return SessionPolicy(
            idle_ttl=one_of([0.005, 0.1, 300, 300]),
            max_age=one_of([0.01, 0.2, 3000, 3000]),
            auto_renew=one_of([True, True, False]),
            max_requests=one_of([0, 0, 3]),
            max_leases=one_of([1, 1, 2, 4]),
            min_delay=one_of([0, 0, 0.01]),
            sticky=one_of([Sticky.SOFT, Sticky.SOFT, Sticky.HARD]),
            keep_state=one_of([True, False]),
            max_rebinds=one_of([0, 3, 1000]),
            max_sessions=one_of([0, 0, 40]),
            full=one_of(list(Full)),
            pooled=one_of([True, False]),
        )

    def selection(self) -> Selection:
        draw, one_of = self.luck.random(), self.luck.choice
        some = self.luck.sample(PROXIES, self.luck.randrange(12) if draw < 0.2 else 0)
        fallback = Selection(one_of(STRATEGIES)) if draw > 0.7 else None
        return Selection(
            one_of(STRATEGIES),
            one_of(FILTERS),
            tuple(record.id for record in some),
            fallback,
        )

    def ending(self) -> dict[str, Any]:
        one_of = self.luck.choice
        return {
            "outcome": one_of([*[Outcome.OK] * 6, *Outcome]),
            "fault": one_of([0.5, 1.0]),
            "elapsed": one_of([None, self.luck.random()]),
            "patch": one_of([None, {"user_agent": self.text()}]),
            "close": one_of([None] * 9 + [Reason.BLOCKED]),
        }


WEIGHTS = {
    "acquire": 36, "release": 22, "release_and_acquire": 10, "borrow": 5, "abandon": 3,
    "renew": 3, "progress": 3, "touch": 2, "close": 2, "reap": 3, "warm": 1,
    "put_state": 4, "migrate": 2, "evacuate": 0.3, "mode": 2, "remove": 1,
    "publish": 4, "report": 4,
}  # fmt: skip


def work(number: int) -> dict[str, int]:
    fuzzer = Fuzzer(Random(f"{sys.argv[5]} {number}"))
    for _ in range(int(sys.argv[4])):
        fuzzer.step()
    return fuzzer.done
