"""Nothing secret is in what beat and a worker log, keep or tell of all upkeep."""

from typing import Final

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from redis import Redis

from beat_schedule import ENTRIES
from limpet.settings import Settings, variable_of
from limpet.upkeep import UpkeepStore
from proxies import Outcome, Proxy, ProxyPool, ProxyRecord
from proxies.store import ProxyStore
from sessions import open_pool
from sessions.state import StatePatch
from tests.conftest import Eventually
from tests.stack import Stack

#: Planted: in a password, a cookie, a header, query strings, and what signs webhooks.
SECRETS: Final = {
    "proxy": "Pr0xyS3cret",
    "cookie": "C00kieS3cret",
    "header": "Head3rS3cret",
    "query": "Qu3ryS3cret",
    "probe": "Pr0beS3cret",
    "alert": "Al3rtS3cret",
    "signature": "S1gnS3cretOfEnoughCharacters",
    "id": "Hash3dS3cretOf16",
}


def _use(redis: Redis, keys: str) -> None:
    """Sessions that live, move, are blocked and end, through proxies that nobody is."""
    config = Settings(state_keys=SecretStr(keys))
    proxies = ProxyPool(ProxyStore(redis, "default"))
    proxies.publish(
        [
            ProxyRecord(Proxy("http", f"127.0.0.{n}", 9, "u", SECRETS["proxy"]))
            for n in range(1, 4)
        ]
    )
    manager = open_pool(redis, "default", config)
    patch: StatePatch = {
        "cookies": [{"name": "c", "value": SECRETS["cookie"], "domain": "a.test"}],
        "headers": {"X-Key": SECRETS["header"]},
    }
    url = f"https://a.test/p?token={SECRETS['query']}"
    for name in ("kept", "closed", "moved", "blocked"):
        manager.release(manager.acquire(name, hold=30), url=url, patch=patch)
    manager.release(manager.acquire("moved", hold=30), Outcome.FAULT, url=url)
    manager.release(
        manager.acquire("blocked", hold=30), Outcome.BLOCKED, domain="a.test"
    )
    manager.close("closed")


@pytest.mark.timeout(180)
def test_a_sweep_for_planted_secrets_finds_none(
    stack: Stack, redis: Redis, store: UpkeepStore, eventually: Eventually
) -> None:
    keys = Fernet.generate_key().decode()
    every = {"seconds": "1", "minutes": "0.02"}
    there = {
        "LIMPET_STATE_KEYS": keys,
        "LIMPET_HISTORY_HASH_KEY": SECRETS["id"],
        "LIMPET_PROBE_URL": f"http://127.0.0.1:9/?key={SECRETS['probe']}",
        "LIMPET_PROBE_TIMEOUT_SECONDS": "0.2",
        "LIMPET_ALERT_AFTER_SECONDS": "0",
        "LIMPET_ALERT_WEBHOOK_URL": f"http://127.0.0.1:9/?key={SECRETS['alert']}",
        "LIMPET_WEBHOOK_SECRET": SECRETS["signature"],
        "LIMPET_HEALTH_MIN_WORKERS": "2",
        "LIMPET_LOG_LEVEL": "DEBUG",
    } | {
        variable_of(f"{entry.prefix}_interval_{entry.unit}"): every[entry.unit]
        for entry in ENTRIES
    }
    stack.manage("migrate", **there)
    _use(redis, keys)
    # A pool that cannot be read: what is said of it must be fit to be read by anybody.
    redis.sadd("limpet:pools", "bad")
    redis.hset("{bad}:n", f"created?{SECRETS['query']}", SECRETS["cookie"])
    redis.rpush("{bad}:x", SECRETS["cookie"])
    stack.worker(**there)
    stack.celery("beat", log="beat", **there)

    eventually(
        lambda: all(store.record(entry.task).runs >= 2 for entry in ENTRIES), within=90
    )

    told = [stack.manage(*words, **there) for words in (("health",), ("schedule",))]
    seen = {
        "worker": stack.log("worker").read_bytes(),
        "beat": stack.log("beat").read_bytes(),
        "commands": "".join(one.stdout + one.stderr for one in told).encode(),
        **{file.name: file.read_bytes() for file in stack.folder.glob("limpet.db*")},
        **{
            key.decode(): bytes(redis.dump(key) or b"")
            for pattern in ("*:ev", "*:m", "limpet:{upkeep}:*", "{-}:*")
            for key in redis.scan_iter(pattern)
        },
    }
    assert b"alert" in seen["worker"]
    assert b"kept" not in seen["limpet.db"]
    assert {
        (place, what)
        for place, content in seen.items()
        for what, secret in SECRETS.items()
        if secret.encode() in content
    } == set()
    redis.flushall()
