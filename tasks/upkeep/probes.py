"""Proxies tried out: those that rest, and those that nobody has used yet."""

import random
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog

from limpet.connection import session_redis
from limpet.errors import (
    AddressRefused,
    LimpetError,
    StoreDamaged,
    StoreUnavailable,
)
from limpet.names import PROBE_PROXIES
from limpet.settings import Settings, settings
from proxies import Outcome
from sessions import open_proxies
from tasks import runtime
from tasks.blame import unexpected
from tasks.celery import app
from tasks.probing import Target, probe
from tasks.upkeep.apart import Apart
from tasks.upkeep.base import Turn, UpkeepTask

#: A turn outlasts its probe by this, in seconds: a stall must not cost it the verdict.
_MARGIN: Final = 15.0

log = structlog.get_logger(__name__)


@app.task(base=UpkeepTask, bind=True, name=PROBE_PROXIES)
def probe_proxies(self: UpkeepTask) -> dict[str, Any]:
    """Send a request through some proxies of every pool, and count how it went.

    Those whose cool-down is over, those that are untried, and after a while those that
    are well, whose exit address may have changed. Without a page to fetch, and for
    pools that go out without a proxy, nothing is sent.
    """
    config = settings()
    if reason := unable(config):
        log.info("proxies_not_probed", reason=reason)
        return {"probed": 0, "reason": reason}
    pools = [
        one for one in runtime.pools() if one not in config.direct_pools.split(",")
    ]
    # The time may be over before all had their turn: not always the same ones wait.
    random.shuffle(pools)
    report = dict.fromkeys(("probed", "exit_changed", "errors"), 0)
    apart = Apart()
    for pool in pools:
        with apart.pool(pool):
            for name, count in _Round(pool, config, self.turn).run().items():
                report[name] = report.get(name, 0) + count
    report["damaged"] = report.get("damaged", 0) + apart.damaged
    log.info("proxies_probed", **report)
    apart.close()
    return report


def unable(config: Settings) -> str:
    """Return why nothing can be probed, "" if it can."""
    if config.probe_url is None:
        return "LIMPET_PROBE_URL is not set"
    try:
        runtime.guard().check(config.probe_url.get_secret_value())
    except AddressRefused as error:
        return f"LIMPET_PROBE_URL: {error}"
    return ""


def target(config: Settings) -> Target:
    """Return what probes fetch; `unable` says whether they can."""
    assert config.probe_url is not None
    return Target(
        config.probe_url.get_secret_value(),
        config.probe_timeout_seconds,
        config.probe_address,
    )


class _Round:
    """The probes of one pool in one run."""

    def __init__(self, pool: str, config: Settings, turn: Turn) -> None:
        self._pool = pool
        self._config = config
        self._turn = turn
        self._token = f"~probe:{secrets.token_hex(8)}"
        self._proxies = open_proxies(session_redis(config), pool, config)
        self._target = target(config)

    def run(self) -> dict[str, int]:
        """Try some proxies at a time; return how many went how."""
        counts: dict[str, int] = {}
        left = self._config.probe_batch_size
        with ThreadPoolExecutor(self._config.probe_concurrency, "probe") as threads:
            while left and self._turn.going:
                # Few at a time: a turn begins when its proxy is tried, not before.
                some = self._some(min(left, self._config.probe_concurrency))
                if not some:
                    break
                left -= len(some)
                for names in threads.map(lambda one: self._try(*one), some):
                    for name in names:
                        counts[name] = counts.get(name, 0) + 1
        return counts

    def _some(self, most: int) -> list[tuple[str, str]]:
        return self._proxies.probes(
            self._token,
            most=most,
            hold=self._config.probe_timeout_seconds + _MARGIN,
            again=self._config.probe_again_minutes * 60,
        )

    def _try(self, proxy_id: str, version: str) -> tuple[str, ...]:
        """Try one proxy; whatever is wrong with it, the others have their turn."""
        try:
            return self._tried(proxy_id, version)
        except StoreUnavailable as error:
            if not isinstance(error, StoreDamaged):
                raise
            about = {"pool": self._pool, "proxy": proxy_id, "reason": error.reason}
            log.error("proxy_damaged", **about)  # noqa: TRY400 - no stack
            return ("damaged",)
        except Exception as error:  # noqa: BLE001 - its text may hold a password
            reason = str(error) if isinstance(error, LimpetError) else unexpected(error)
            about = {"pool": self._pool, "proxy": proxy_id, "reason": reason}
            log.warning("proxy_not_probed", **about)
            return ("errors",)

    def _tried(self, proxy_id: str, version: str) -> tuple[str, ...]:
        proxy = self._proxies.get(proxy_id, version)
        found = probe(self._pool, proxy, self._target, token=self._token)
        standing = self._proxies.report(proxy_id, found.tried)
        outcome = found.tried.outcome
        about = {"pool": self._pool, "proxy": proxy_id, "state": standing.state}
        if outcome is not Outcome.OK:
            told = found.detail or f"status {found.status}"
            log.info("probe_failed", **about, outcome=outcome.value, reason=told)
        if standing.exit_changed:
            log.warning("exit_changed", **about)
            return ("probed", outcome.value, "exit_changed")
        return ("probed", outcome.value)
