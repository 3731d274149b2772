"""A key is retired: sealed anew, the old one is not needed any more."""

import json
from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from limpet.connection import session_redis
from limpet.errors import ConfigurationError
from limpet.settings import Settings
from sessions import SessionManager, open_pool
from sessions.state import StatePatch

if TYPE_CHECKING:
    from tests.stack import Stack

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
STATE = StatePatch(cookies=[{"name": "c", "value": "S3cret"}])
LINE = "http://me:S3cret@10.0.0.1:80"


def test_after_sealing_the_old_key_can_go(stack: "Stack") -> None:
    stack.environment["LIMPET_STATE_KEYS"] = OLD
    for pool in ("one", "two"):
        stack.manage("proxies", "import", "-", "--pool", pool, stdin=LINE)
    command = ("proxies", "export", "--with-passwords", "--format", "lines")

    stack.environment["LIMPET_STATE_KEYS"] = f"{NEW},{OLD}"
    sealed = stack.manage("seal", "--json")
    stack.environment["LIMPET_STATE_KEYS"] = NEW
    done = stack.manage(*command, "--pool", "two")
    stack.environment["LIMPET_STATE_KEYS"] = OLD
    lost = stack.manage(*command, "--pool", "two")

    done_to = {"proxies": 1, "sessions": 0, "unreadable": []}
    assert json.loads(sealed.stdout) == {"one": done_to, "two": done_to}
    assert done.stdout.strip() == LINE
    assert lost.returncode == 1
    assert "sealed with a key that LIMPET_STATE_KEYS does not hold" in lost.stderr


@pytest.mark.parametrize("shards", ["", "default=2"])
def test_after_sealing_sessions_open_without_the_old_key(
    stack: "Stack", shards: str
) -> None:
    """One that is in use, one whose state was written before there was a key."""
    stack.environment["LIMPET_POOL_SHARDS"] = shards
    ten = "\n".join(f"10.0.0.{n}:80" for n in range(10))
    stack.manage("proxies", "import", "-", stdin=ten)
    open_with(stack, shards, "").release(
        open_with(stack, shards, "").acquire("plain", hold=30), patch=STATE
    )
    before = open_with(stack, shards, OLD)
    before.release(before.acquire("resting", hold=30), patch=STATE)
    before.release(before.acquire("used", hold=30), patch=STATE)
    held = before.acquire("used", hold=30)
    versions = [before.state(one) for one in ("plain", "resting", "used")]

    stack.environment["LIMPET_STATE_KEYS"] = f"{NEW},{OLD}"
    sealed = stack.manage("seal")

    assert sealed.returncode == 0, sealed.stderr
    assert "10 proxies and 3 sessions sealed under the first key" in sealed.stdout
    after = open_with(stack, shards, NEW)
    assert [after.state(one) for one in ("plain", "resting", "used")] == versions
    assert after.release(held, patch={"user_agent": "other"}) > held.state.version
    with pytest.raises(ConfigurationError):
        before.state("plain")


def test_a_session_that_no_key_opens_is_left_and_named(stack: "Stack") -> None:
    stack.manage("proxies", "import", "-", stdin=LINE)
    lost = open_with(stack, "", OLD)
    lost.release(lost.acquire("s", hold=30), patch=STATE)

    done = stack.manage("seal", "--json", LIMPET_STATE_KEYS=NEW)

    told = {"proxies": 1, "sessions": 0, "unreadable": ["s"]}
    assert (done.returncode, json.loads(done.stdout)) == (1, {"default": told})
    assert "1 session left as they are" in done.stderr
    assert lost.state("s")


def open_with(stack: "Stack", shards: str, keys: str) -> SessionManager:
    """Return the sessions of the stack's pool, as one who has *keys* sees them."""
    config = Settings(
        redis_url=SecretStr(stack.redis_url),
        pool_shards=shards,
        state_keys=SecretStr(keys),
        state_dir=stack.folder,
    )
    return open_pool(session_redis(config), "default", config)


def test_without_a_key_nothing_is_sealed(stack: "Stack") -> None:
    empty = stack.manage("seal")
    stack.manage("proxies", "import", "-", stdin=LINE)

    done = stack.manage("seal")

    assert (empty.returncode, done.returncode) == (0, 1)
    assert "nothing to seal" in empty.stdout
    assert "LIMPET_STATE_KEYS: there is no key to seal with" in done.stderr
