"""The engine beside a model in plain Python: whatever is done, they agree."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from limpet.errors import LeaseLost, NoProxyAvailable, SessionBusy
from limpet.keys import Keys
from proxies import (
    HealthPolicy,
    Outcome,
    Proxy,
    ProxyPool,
    ProxyRecord,
    Selection,
)
from proxies.store import ProxyStore
from sessions import Lease, SessionManager, SessionPolicy
from sessions.store import SessionStore

KEYS = Keys("model")
RECORDS = [
    ProxyRecord(Proxy("http", f"10.2.0.{n}", 80), country="US" if n % 2 else "DE")
    for n in range(4)
]
IDS = [one.id for one in RECORDS]
FILTERS = {(): set(IDS), ("country:US",): {r.id for r in RECORDS if r.country == "US"}}

names = st.sampled_from(["a", "b", "c", "d", "e"])
proxies = st.sampled_from(IDS)
wheres = st.sampled_from(list(FILTERS))
exclusions = st.lists(proxies, max_size=2, unique=True).map(tuple)
strategies = st.sampled_from(["round_robin", "random", "least_used", "weighted"])
outcomes = st.sampled_from([Outcome.OK, Outcome.OK, Outcome.FAULT, Outcome.NONE])


@dataclass
class Known:
    """What the model knows of one session."""

    proxy: str
    generation: int = 1
    requests: int = 0
    lease: Lease | None = None


@dataclass
class Health:
    """What the model knows of one proxy; two failures in a row send it away."""

    mode: str = ""
    fails: int = 0
    down: bool = False

    @property
    def open(self) -> bool:
        return self.mode == "" and not self.down

    @property
    def kept(self) -> bool:
        return self.mode in {"", "draining"} and not self.down


@dataclass
class World:
    """The model."""

    sessions: dict[str, Known] = field(default_factory=dict)
    proxies: dict[str, Health] = field(default_factory=dict)


class Machine(RuleBasedStateMachine):
    """Random calls of one manager, each checked against the model."""

    client: Redis

    def __init__(self) -> None:
        super().__init__()
        self.client.flushall()
        health = HealthPolicy(max_failures=2, cooldown=3600)
        self.pool = ProxyPool(ProxyStore(self.client, "model"), health=health)
        self.pool.publish(RECORDS)
        self.manager = SessionManager(
            "model",
            SessionStore(self.client, "model", health=health),
            self.pool,
            policy=SessionPolicy(max_rebinds=1000),
        )
        self.world = World(proxies={one: Health() for one in IDS})
        self.late: list[Lease] = []
        self.thefts = 0

    @rule(name=names, where=wheres, exclude=exclusions, strategy=strategies)
    def acquire(
        self,
        name: str,
        where: tuple[str, ...],
        exclude: tuple[str, ...],
        strategy: str,
    ) -> None:
        known = self.world.sessions.get(name)
        allowed = FILTERS[where] - set(exclude)
        choice = {one for one in allowed if self.world.proxies[one].open}
        selection = Selection(strategy, where, exclude)
        held = known is not None and known.lease is not None
        stays = (
            known is not None
            and self.world.proxies[known.proxy].kept
            and known.proxy not in exclude
        )

        if held:
            with pytest.raises(SessionBusy):
                self.manager.acquire(name, hold=900, selection=selection)
            return
        if not stays and not choice:
            with pytest.raises(NoProxyAvailable):
                self.manager.acquire(name, hold=900, selection=selection)
            return
        lease = self.manager.acquire(name, hold=900, selection=selection)

        if known is None:
            known = self.world.sessions[name] = Known(lease.proxy.id)
            assert lease.created
            assert lease.proxy.id in choice
        elif stays:
            assert lease.proxy.id == known.proxy
            assert not lease.moved
        else:
            assert lease.moved
            assert lease.proxy.id in choice
            known.proxy, known.generation = lease.proxy.id, known.generation + 1
        known.requests += 1
        known.lease = lease
        assert lease.generation == known.generation

    @rule(name=names, outcome=outcomes, agent=st.text(max_size=5))
    def release(self, name: str, outcome: Outcome, agent: str) -> None:
        known = self.world.sessions.get(name)
        if known is None or known.lease is None:
            return
        state = self.manager.state(name)
        assert state is not None
        version = self.manager.release(
            known.lease, outcome, patch={"user_agent": agent}
        )
        assert (version > state.version) == (agent != state.user_agent)
        self._judge(known.lease.proxy.id, outcome)
        self.late.append(known.lease)
        known.lease = None

    def _judge(self, proxy: str, outcome: Outcome) -> None:
        health = self.world.proxies[proxy]
        if outcome is Outcome.OK:
            health.fails, health.down = 0, False
        if outcome is Outcome.FAULT and not health.down:
            health.fails += 1
            health.down = health.fails >= 2
            health.fails = 0 if health.down else health.fails

    @rule(name=names)
    def close(self, name: str) -> None:
        known = self.world.sessions.pop(name, None)
        assert self.manager.close(name) == (known is not None)
        if known and known.lease:
            self.late.append(known.lease)

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def release_again(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.late))
        before = self._fields(lease.session)
        known = self.world.sessions.get(lease.session)
        orphan = f"{lease.token}".encode() in self._tokens()
        self.thefts += 1
        thief = f"thief {self.thefts}"
        try:
            self.manager.release(lease, Outcome.NONE, patch={"user_agent": thief})
        except LeaseLost:
            assert known is not None
        assert self._fields(lease.session) == before or (
            known is None or not known.lease
        )
        # Late, but nobody has taken the session since: still the only holder.
        assert self._agent(lease.session) != thief or orphan
        assert not orphan or f"{lease.token}".encode() not in self._tokens()

    @rule(name=names, dead=st.booleans())
    def lose(self, name: str, *, dead: bool) -> None:
        """Let the holder die; the clean-up settles the lease."""
        known = self.world.sessions.get(name)
        if known is None or known.lease is None:
            return
        self.client.zadd(KEYS.leases, {known.lease.token: 1})
        if dead:
            self.client.hset(KEYS.session(name), "d", 1)
        else:
            assert self.manager.expire(50).leases >= 1
        self.late.append(known.lease)
        known.lease = None

    @rule(proxy=proxies, mode=st.sampled_from(["", "draining", "disabled"]))
    def set_mode(self, proxy: str, mode: str) -> None:
        assert self.pool.set_mode(proxy, mode)
        self.world.proxies[proxy].mode = mode

    @rule()
    def publish(self) -> None:
        self.pool.publish(RECORDS)
        for health in self.world.proxies.values():
            health.mode = ""  # what the records say, whatever was asked meanwhile

    @invariant()
    def agrees(self) -> None:
        status = {one.record.id: one for one in self.pool.status(RECORDS)}
        for proxy, health in self.world.proxies.items():
            bound = [s for s in self.world.sessions.values() if s.proxy == proxy]
            assert status[proxy].sessions == len(bound)
            assert (status[proxy].state == "unhealthy") == health.down
            tokens = [t for t in self._tokens() if t.startswith(proxy.encode())]
            assert status[proxy].inflight == len(tokens)
        usable = {p for p, health in self.world.proxies.items() if health.open}
        assert {one.decode() for one in self._range(KEYS.usable)} == usable
        found = {info.session: info for info in self.manager.all()}
        assert set(found) == set(self.world.sessions)
        for name, known in self.world.sessions.items():
            info = found[name]
            assert (info.proxy, info.generation) == (known.proxy, known.generation)
            assert info.requests == known.requests

    def _fields(self, name: str) -> Any:
        return self.client.hgetall(KEYS.session(name))

    def _agent(self, name: str) -> str:
        state = self.manager.state(name)
        return state.user_agent if state else ""

    def _tokens(self) -> list[bytes]:
        return self._range(KEYS.leases)

    def _range(self, key: str) -> list[bytes]:
        found: Any = self.client.zrange(key, 0, -1)
        return list(found)


def test_the_engine_agrees_with_a_model(redis: Redis) -> None:
    Machine.client = redis

    run_state_machine_as_test(
        Machine,
        settings=settings(max_examples=60, stateful_step_count=40, deadline=None),
    )
