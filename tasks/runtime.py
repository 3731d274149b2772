"""What the tasks of one process share: a manager per pool, the fetcher, and so on.

Everything is made when it is first used, so that a forked worker never inherits a
socket.
"""

import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Final

import structlog

from extraction import Crew
from limpet import database
from limpet.connection import session_redis
from limpet.errors import ConfigurationError, StoreUnavailable
from limpet.sealing import Sealer
from limpet.settings import settings
from politeness import DomainLimits, open_limits
from politeness.store import RobotsStore
from proxies import tables
from results import open_artifacts
from sessions import (
    Cleaner,
    SessionManager,
    open_pool,
    open_proxies,
    open_store,
)
from sessions.store import pool_names
from tasks.blocks import Blocks
from tasks.fetching import Fetcher, fetcher_of
from tasks.guard import Guard
from tasks.robots import Robots
from tasks.stores import Stores

#: Seconds between two fillings of a pool: one that has only disabled proxies is asked
#: for by every job.
_REPUBLISH_EVERY: Final = 5.0
_republishing = threading.Lock()
_republished: dict[str, float] = {}

log = structlog.get_logger(__name__)


@cache
def manager(pool: str) -> SessionManager:
    """Return this process's manager of *pool*."""
    return open_pool(session_redis(settings()), pool, settings())


def cleaner(pool: str, going: Callable[[], bool]) -> Cleaner:
    """Return what cleans *pool* up while *going* says so."""
    store = open_store(session_redis(settings()), pool, settings())
    return Cleaner(manager(pool), store, going)


@cache
def fetcher() -> Fetcher:
    """Return this process's fetcher, which keeps the sessions' connections."""
    return fetcher_of(settings())


@cache
def blocks() -> Blocks:
    """Return what tells blocks from pages."""
    return Blocks.of(settings())


@cache
def guard() -> Guard:
    """Return what judges the URLs that this process is to go to."""
    return Guard.of(settings())


@cache
def limits() -> DomainLimits:
    """Return this process's way to the limits of all domains."""
    return open_limits(session_redis(settings()), settings())


@cache
def robots() -> Robots:
    """Return what this process knows of robots.txt files."""
    config = settings()
    return Robots(
        RobotsStore(session_redis(config)),
        limits(),
        user_agent=config.robots_user_agent or config.user_agent,
        ttl=config.robots_ttl_seconds,
    )


@cache
def extractors() -> Crew:
    """Return this process's extractors; they end with it."""
    return Crew()


@cache
def stores() -> Stores:
    """Return where bodies and rows are kept."""
    config = settings()
    return Stores(open_artifacts(config), lambda: database.engine(config.sql_url))


def republish(pool: str) -> bool:
    """Fill Redis from the inventory; return whether that may have given it a proxy.

    Safe to race: who comes while another does it waits, and finds it done.
    """
    with _republishing:
        now = time.monotonic()
        if now - _republished.get(pool, -_REPUBLISH_EVERY) < _REPUBLISH_EVERY:
            return True
        filled = _fill(pool)
        if filled:
            _republished[pool] = now
        return filled


def _fill(pool: str) -> bool:
    engine = database.engine(settings().sql_url)
    try:
        with database.answering():
            records = tables.load(engine, Sealer.of(settings()), pool)
    except StoreUnavailable as error:
        # Most likely nobody has made the tables yet: then there are no proxies.
        log.warning("inventory_unreadable", reason=str(error))
        return False
    proxies = open_proxies(session_redis(settings()), pool, settings())
    proxies.publish(records)
    try:
        proxies.require_proxies()
    except ConfigurationError as error:
        log.error("shard_without_proxies", pool=pool, reason=str(error))  # noqa: TRY400 - no stack
    return bool(records) or proxies.direct


def pools() -> list[str]:
    """Return the names of all pools."""
    return pool_names(session_redis(settings()))
