"""What a session carries: kept whole, kept small, sealed, and never overwritten."""

import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from limpet.errors import ConfigurationError, StateConflict, StateTooLarge
from limpet.keys import Keys
from limpet.sealing import Sealer
from proxies import Outcome
from sessions import SessionManager
from sessions.state import SessionState, StatePatch, decode, encode

Managers = Callable[..., SessionManager]
KEYS = Keys("default")
WHOLE: StatePatch = {
    "cookies": [{"name": "sid", "value": "s3cret", "domain": "shop.example"}],
    "origins": [{"origin": "https://shop.example", "localStorage": []}],
    "headers": {"Accept-Language": "de"},
    "user_agent": "Mozilla/5.0",
    "metadata": {"account": 42, "tags": ["vip"]},
}

texts = st.text(max_size=40)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
    ),
    max_leaves=20,
)


def test_all_parts_of_a_state_come_back(manager: SessionManager) -> None:
    manager.release(manager.acquire("s", hold=30), patch=WHOLE)

    state = manager.acquire("s", hold=30).state

    assert state == SessionState(version=state.version, **WHOLE)
    assert state.version > 0
    assert "s3cret" not in repr(state)


def test_a_patch_replaces_only_what_it_names(manager: SessionManager) -> None:
    manager.release(manager.acquire("s", hold=30), patch=WHOLE)
    manager.release(manager.acquire("s", hold=30), patch={"headers": {}})

    state = manager.state("s")

    assert state is not None
    assert (state.headers, state.cookies) == ({}, WHOLE["cookies"])


def test_what_has_not_changed_is_not_written(manager: SessionManager) -> None:
    first = manager.release(manager.acquire("s", hold=30), patch=WHOLE)

    version = manager.release(manager.acquire("s", hold=30), patch=WHOLE)

    assert version == first


def test_a_state_that_is_known_is_not_sent_again(
    manager: SessionManager, redis: Redis
) -> None:
    manager.release(manager.acquire("s", hold=30), patch=WHOLE)
    known = manager.state("s")
    redis.set(KEYS.state("s"), b"J not what is known", keepttl=True)

    lease = manager.acquire("s", hold=30, known=known)

    assert lease.state is known


def test_a_state_lives_as_long_as_its_session_may(
    manager: SessionManager, redis: Redis
) -> None:
    manager.release(manager.acquire("s", hold=30), patch=WHOLE)

    left = redis.ttl(KEYS.state("s"))

    info = manager.get("s")
    assert info is not None
    assert left >= info.max_age_at - info.created - 5


@given(jsons)
def test_any_metadata_survives(value: object) -> None:
    state = SessionState(metadata={"value": value})

    blob = encode(state, Sealer())

    assert blob is not None
    assert decode(0, blob, Sealer()) == state


@given(jsons)
def test_any_metadata_survives_being_sealed(value: object) -> None:
    sealer = Sealer([KEY])
    state = SessionState(metadata={"value": value})

    blob = encode(state, sealer)

    assert blob is not None
    assert decode(0, blob, sealer) == state


KEY = Fernet.generate_key().decode()


def test_a_sealed_state_cannot_be_read_in_redis(
    manager_of: Managers, redis: Redis
) -> None:
    manager = manager_of(sealer=Sealer([KEY]))
    manager.release(manager.acquire("s", hold=30), patch=WHOLE)

    held = redis.get(KEYS.state("s"))

    assert isinstance(held, bytes)
    assert b"s3cret" not in held
    assert b"shop.example" not in held
    assert manager.acquire("s", hold=30).state.cookies == WHOLE["cookies"]


def test_keys_rotate(manager_of: Managers) -> None:
    manager_of(sealer=Sealer([KEY])).warm(1)
    old = manager_of(sealer=Sealer([KEY]))
    old.release(old.acquire("s", hold=30), patch=WHOLE)
    new = manager_of(sealer=Sealer([Fernet.generate_key().decode(), KEY]))

    lease = new.acquire("s", hold=30)
    new.release(lease, patch={"user_agent": "other"})

    assert lease.state.cookies == WHOLE["cookies"]
    with pytest.raises(ConfigurationError, match="LIMPET_STATE_KEYS"):
        old.state("s")


@pytest.mark.parametrize("sealer", [Sealer(), Sealer([KEY])])
def test_a_state_of_many_cookies_is_kept_compressed(sealer: Sealer) -> None:
    names = random.Random(7).randbytes(16).hex()
    cookies = [
        {"name": f"{n}", "value": names, "domain": "shop.example", "path": "/"}
        for n in range(200)
    ]

    few = encode(SessionState(cookies=cookies[:1]), sealer)
    many = encode(SessionState(cookies=cookies), sealer)

    assert few
    assert many
    # A sealed text is a third longer.
    assert len(many) < len(json.dumps(cookies)) / 4
    assert few[:1] in b"Jj"
    assert decode(1, many, sealer).cookies == cookies


def test_a_state_that_is_too_large_is_refused(manager: SessionManager) -> None:
    manager.release(manager.acquire("s", hold=30), patch=WHOLE)
    before = manager.state("s")
    assert before is not None
    noise = random.Random(7).randbytes(2_000_000).hex()

    with pytest.raises(StateTooLarge, match="1 MB"):
        manager.put_state("s", before.patched({"metadata": {"noise": noise}}))

    assert manager.state("s") == before


def test_two_writers_of_one_version_are_one_too_many(manager: SessionManager) -> None:
    manager.release(manager.acquire("s", hold=30), patch=WHOLE)
    read = manager.state("s")
    assert read is not None
    manager.put_state("s", read.patched({"user_agent": "first"}))

    with pytest.raises(StateConflict):
        manager.put_state("s", read.patched({"user_agent": "second"}))

    state = manager.state("s")
    assert state is not None
    assert state.user_agent == "first"


def test_a_shared_session_keeps_the_first_of_two_states(manager_of: Managers) -> None:
    manager = manager_of(max_leases=2)
    one, two = (manager.acquire("s", hold=30) for _ in range(2))
    manager.release(one, Outcome.OK, patch={"user_agent": "one"})

    with pytest.raises(StateConflict):
        manager.release(two, Outcome.OK, patch={"user_agent": "two"})

    info = manager.get("s")
    assert info is not None
    assert info.leases == 0


def test_metadata_of_many_writers_is_kept(manager: SessionManager) -> None:
    manager.release(manager.acquire("s", hold=30))

    with ThreadPoolExecutor(8) as threads:
        done = list(
            threads.map(lambda n: manager.set_metadata("s", **{f"k{n}": n}), range(80))
        )

    state = manager.state("s")
    assert all(done)
    assert state is not None
    assert state.metadata == {f"k{n}": n for n in range(80)}
    assert not manager.set_metadata("nobody", a=1)


def test_a_session_that_cannot_be_opened_is_not_held(manager_of: Managers) -> None:
    sealed = manager_of(sealer=Sealer([KEY]))
    sealed.release(sealed.acquire("s", hold=30), patch=WHOLE)

    with pytest.raises(ConfigurationError, match="LIMPET_STATE_KEYS"):
        manager_of().acquire("s", hold=30)

    assert sealed.acquire("s", hold=30).state.cookies == WHOLE["cookies"]


def test_the_state_of_a_former_life_is_not_taken_for_this_ones(
    manager: SessionManager,
) -> None:
    manager.release(manager.acquire("s", hold=30), patch=WHOLE)
    former = manager.state("s")
    assert former is not None
    manager.close("s")
    manager.release(manager.acquire("s", hold=30), patch={"user_agent": "new"})

    lease = manager.acquire("s", hold=30, known=former)
    manager.release(lease)

    assert lease.state.user_agent == "new"
    with pytest.raises(StateConflict):
        manager.put_state("s", former)
