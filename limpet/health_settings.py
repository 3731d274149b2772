"""The settings of health, alerts and probes; see `limpet.settings`."""

from typing import Annotated, Any

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings

from limpet.pool_settings import Minutes, Seconds

Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


def _web_url(url: Any) -> Any:
    from limpet.jobs import web_url  # noqa: PLC0415 - slow, and rarely set

    secret = isinstance(url, SecretStr)
    web_url(url.get_secret_value() if secret else url)
    return url


def _expression(text: str) -> str:
    try:
        if text:
            jmespath.compile(text)
    except JMESPathError:
        raise ValueError("must be a JMESPath expression") from None
    return text


class HealthSettings(BaseSettings):
    """From when on something is wrong, who is told, and how proxies are tried."""

    health_timeout_seconds: float = Field(
        default=3,
        ge=0.1,
        le=30,
        description="A server that has not answered a health check by then is down.",
    )
    health_min_workers: int = Field(
        default=1,
        ge=0,
        le=100_000,
        description="With fewer workers it is degraded, with none down; 0: any number.",
    )
    health_max_sessions: int = Field(
        default=1000, ge=1, description="With more active sessions it is degraded."
    )
    health_beat_silent_seconds: Seconds = Field(
        default=300, description="With beat silent for longer it is degraded."
    )
    health_snapshot_age_seconds: Seconds = Field(
        default=300,
        description="With the newest snapshot older it is degraded; never less than "
        "LIMPET_HEALTH_UPKEEP_MISSED_RUNS times the longest gap between snapshots.",
    )
    health_upkeep_missed_runs: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="With a task of upkeep that has not gone well for this many of its "
        "intervals, and for 5 minutes, it is degraded.",
    )
    health_max_cleanup_failures_percent: Percent = Field(
        default=5, description="With more of the clean-ups failing it is degraded."
    )
    health_min_proxies_percent: Percent = Field(
        default=20,
        description="With fewer of a pool's proxies usable it is degraded.",
    )
    health_max_redis_memory_percent: Percent = Field(
        default=90,
        description="With more of the session Redis' maxmemory in use it is degraded, "
        "with all of it down; a Redis without a maxmemory is never full.",
    )
    alert_after_seconds: float = Field(
        default=30,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="A change of health is told of once it has lasted this long.",
    )
    alert_webhook_url: Annotated[SecretStr, AfterValidator(_web_url)] | None = Field(
        default=None,
        description="Where changes of alerts are sent, signed as the webhooks of jobs.",
    )
    probe_url: Annotated[SecretStr, AfterValidator(_web_url)] | None = Field(
        default=None,
        description="Page that cooling and untried proxies are tried with, best one "
        "that answers with the address it is visited from; unset: none is tried.",
    )
    probe_address: Annotated[str, AfterValidator(_expression)] = Field(
        default="",
        max_length=256,
        description="JMESPath of that address in the page's JSON, such as `origin`; "
        "empty: the page is the address.",
    )
    probe_timeout_seconds: float = Field(
        default=10, ge=0.1, le=60, description="Deadline of one probe."
    )
    probe_batch_size: int = Field(
        default=20, ge=1, le=500, description="Proxies of a pool tried in one run."
    )
    probe_concurrency: int = Field(
        default=8, ge=1, le=50, description="Proxies tried at a time."
    )
    probe_again_minutes: Minutes = Field(
        default=60,
        description="A proxy that is well is tried again after this long, so that a "
        "changed exit address is noticed.",
    )

    @field_validator("alert_webhook_url")
    @classmethod
    def _can_be_signed(
        cls, url: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        # Of what was read before this: one that is wrong itself is not there.
        if url is not None and not info.data.get("webhook_secret", url):
            raise ValueError("needs LIMPET_WEBHOOK_SECRET too, to sign what is sent")
        return url
