"""The settings of sessions, pools and proxies; see `limpet.settings`."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from limpet.shards import Shards

Minutes = Annotated[float, Field(gt=0, le=525_600, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


def _master(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,128}", name):
        raise ValueError("must be 1 to 128 of the characters A-Z a-z 0-9 . _ -")
    return name


def _sharded(text: str) -> str:
    Shards.read(text)
    return text


class PoolSettings(BaseSettings):
    """How sessions live, when proxies are rested, and how one is chosen."""

    session_timeout_minutes: Minutes = Field(
        default=30,
        validation_alias="SESSION_TIMEOUT_MINUTES",
        description="A session ends after this long without use.",
    )
    session_max_age_minutes: Minutes = Field(
        default=1440,
        validation_alias="SESSION_MAX_AGE_MINUTES",
        description="A session ends at this age, however much it is used.",
    )
    session_max_rebinds_per_hour: int = Field(
        default=3,
        ge=0,
        le=1000,
        description="Moves of one session to another proxy before it has to wait.",
    )
    session_max_errors: int = Field(
        default=3,
        ge=0,
        le=1000,
        description="Blocks and unclear failures after which a session ends, where a "
        "success takes off half of one; 0: any number.",
    )
    pool_max_sessions: int = Field(
        default=0,
        ge=0,
        description="Sessions that one pool may have; 0: any number.",
    )
    pool_when_full: Literal["refuse", "evict"] = Field(
        default="refuse",
        description="A new session in a full pool is refused, or ends an idle one.",
    )

    proxy_max_failures: int = Field(
        default=3,
        ge=1,
        le=100,
        description="Failures in a row after which a proxy cools down.",
    )
    proxy_cooldown_seconds: Seconds = Field(
        default=30,
        description="First cool-down; each further one is twice as long, up to 1 h.",
    )
    proxy_strategy: str = Field(
        default="round_robin",
        pattern=r"^[a-z][a-z0-9_]{0,31}$",
        description="How a proxy is chosen: round_robin, random, weighted, least_used, "
        "performance, or one of your own.",
    )
    strategies_dir: Path | None = Field(
        default=None,
        description="Folder with strategies of your own, one NAME.lua each.",
    )
    proxy_ema_alpha: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="Weight of the newest request in a proxy's average response time.",
    )
    proxy_window_seconds: Seconds = Field(
        default=300, description="How far back a proxy's recent counts look."
    )
    session_sentinel_master: Annotated[str, AfterValidator(_master)] = Field(
        default="mymaster",
        description="Name of the master behind a sentinel:// LIMPET_REDIS_URL.",
    )
    direct_pools: str = Field(
        default="",
        pattern=r"^([a-z0-9][a-z0-9_-]{0,31}(,[a-z0-9][a-z0-9_-]{0,31})*)?$",
        description="Pools, separated by commas, that go out without any proxy.",
    )
    pool_shards: Annotated[str, AfterValidator(_sharded)] = Field(
        default="",
        description="Hot pools that several nodes of a Redis Cluster share, and over "
        "how many hash tags each is spread: hot=4,other=2. Any other has one.",
    )

    @property
    def shards(self) -> Shards:
        """How many shards each pool has."""
        return Shards.read(self.pool_shards)
