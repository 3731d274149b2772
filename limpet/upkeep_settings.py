"""The settings of what runs by itself; see `limpet.settings`.

Each of it has a switch, an interval of a second or more, and a crontab that wins over
the interval.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from limpet.crontab import crontab

#: How often: a run needs its time, and more than one in a second would only wait.
Seconds = Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)]
Minutes = Annotated[float, Field(ge=0.02, le=525_600, allow_inf_nan=False)]


def _checked(text: str) -> str:
    if text:
        crontab(text)
    return text


Crontab = Annotated[str, AfterValidator(_checked)]


def _switch(what: str, alias: str | None = None) -> Any:
    return Field(
        default=True, validation_alias=alias, description=f"Whether beat {what}."
    )


def _interval(default: int, what: str, alias: str | None = None) -> Any:
    return Field(
        default=default, validation_alias=alias, description=f"How often beat {what}."
    )


def _times(what: str, alias: str | None = None) -> Any:
    return Field(
        default="",
        validation_alias=alias,
        description=f"Crontab in UTC of when beat {what}; unset: by the interval.",
    )


_CLEANUP = "removes expired sessions"
_SNAPSHOT = "writes a metric snapshot"
_LETTERS = "moves dead letters from Redis to SQL"
_SETTLE = "settles leases of dead workers"
_MEMORY = "ends idle sessions while they take too much memory"
_SWEEP = "moves idle sessions off evacuated proxies"
_CHECKPOINT = "writes changed sessions to SQL"
_HISTORY = "sums up and trims the history"
_AUDIT = "moves audit events from Redis to SQL"
_PROBE = "tries cooling and unknown proxies"
_ALERTS = "looks for alerts"


class UpkeepSettings(BaseSettings):
    """What beat has done, and when."""

    session_cleanup_enabled: bool = _switch(_CLEANUP, "SESSION_CLEANUP_ENABLED")
    session_cleanup_interval_minutes: Minutes = _interval(
        15, _CLEANUP, "SESSION_CLEANUP_INTERVAL_MINUTES"
    )
    session_cleanup_crontab: Crontab = _times(_CLEANUP, "SESSION_CLEANUP_CRONTAB")
    session_cleanup_batch_size: int = Field(
        default=50,
        ge=1,
        le=500,
        validation_alias="SESSION_CLEANUP_BATCH_SIZE",
        description="Sessions removed between two looks at the time that is left.",
    )
    session_max_memory_mb: float = Field(
        default=100,
        ge=0,
        le=1_000_000,
        validation_alias="SESSION_MAX_MEMORY_MB",
        description="Memory that all sessions may take in Redis; above it idle ones "
        "end, those used least recently first, down to 90 % of it; 0: any amount.",
    )
    memory_check_enabled: bool = _switch(_MEMORY)
    memory_check_interval_seconds: Seconds = _interval(60, _MEMORY)
    memory_check_crontab: Crontab = _times(_MEMORY)
    snapshot_enabled: bool = _switch(_SNAPSHOT)
    snapshot_interval_seconds: Seconds = _interval(60, _SNAPSHOT)
    snapshot_crontab: Crontab = _times(_SNAPSHOT)
    dead_letters_enabled: bool = _switch(_LETTERS)
    dead_letters_interval_seconds: Seconds = _interval(60, _LETTERS)
    dead_letters_crontab: Crontab = _times(_LETTERS)
    settle_enabled: bool = _switch(_SETTLE)
    settle_interval_seconds: Seconds = _interval(60, _SETTLE)
    settle_crontab: Crontab = _times(_SETTLE)
    sweep_enabled: bool = _switch(_SWEEP)
    sweep_interval_seconds: Seconds = _interval(60, _SWEEP)
    sweep_crontab: Crontab = _times(_SWEEP)
    checkpoint_enabled: bool = _switch(_CHECKPOINT)
    checkpoint_interval_seconds: Seconds = _interval(60, _CHECKPOINT)
    checkpoint_crontab: Crontab = _times(_CHECKPOINT)
    history_enabled: bool = _switch(_HISTORY)
    history_interval_minutes: Minutes = _interval(60, _HISTORY)
    history_crontab: Crontab = _times(_HISTORY)
    audit_enabled: bool = _switch(_AUDIT)
    audit_interval_seconds: Seconds = _interval(30, _AUDIT)
    audit_crontab: Crontab = _times(_AUDIT)
    probe_enabled: bool = _switch(_PROBE)
    probe_interval_seconds: Seconds = _interval(60, _PROBE)
    probe_crontab: Crontab = _times(_PROBE)
    alerts_enabled: bool = _switch(_ALERTS)
    alerts_interval_seconds: Seconds = _interval(30, _ALERTS)
    alerts_crontab: Crontab = _times(_ALERTS)

    upkeep_budget_seconds: float = Field(
        default=30,
        ge=1,
        le=3600,
        description="Time that one run of upkeep may take; it goes on at the next one.",
    )
