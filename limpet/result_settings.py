"""The settings of what jobs leave behind; see `limpet.settings`."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings

from limpet.pool_settings import Seconds
from limpet.urls import ArtifactsUrl

#: An HMAC is as strong as its key: what can be guessed signs nothing.
_SECRET_MIN: Final = 16
_WEEK: Final = 604_800


def _strong(secret: SecretStr) -> SecretStr:
    for number, one in enumerate(secret.get_secret_value().split(","), start=1):
        if len(one.strip()) < _SECRET_MIN:
            raise ValueError(
                f"secret {number} must have {_SECRET_MIN} characters or more"
            )
    return secret


class ResultSettings(BaseSettings):
    """Where results are kept and for how long, and how their webhooks are sent."""

    artifacts_url: ArtifactsUrl | None = Field(
        default=None,
        description="Where bodies are kept: /a/folder or s3://bucket/prefix; unset: "
        "the folder `artifacts` in the state folder.",
    )
    artifact_max_bytes: int = Field(
        default=32 * 1024 * 1024,
        ge=1,
        le=1024**3,
        description="Size of the largest body that is kept.",
    )
    result_max_bytes: int = Field(
        default=256 * 1024,
        ge=0,
        le=10 * 1024 * 1024,
        description="Bytes of a page that the result of a job holds; what is longer is "
        "cut off there, and kept whole for jobs with `store: body`.",
    )
    results_keep_days: int = Field(
        default=0,
        ge=0,
        le=36_500,
        description="Rows and bodies older than this are removed; 0: never.",
    )
    idempotency_window_seconds: float = Field(
        default=86_400,
        ge=1,
        le=_WEEK,
        allow_inf_nan=False,
        description="How long a job's idempotency key counts.",
    )
    webhook_secret: Annotated[SecretStr, AfterValidator(_strong)] | None = Field(
        default=None,
        description="Secrets that sign webhooks, separated by commas: each one adds "
        "a signature; unset: jobs that ask for a webhook are refused.",
    )
    webhook_timeout_seconds: float = Field(
        default=10,
        gt=0,
        le=60,
        description="Deadline of one delivery, look-up and TLS included.",
    )
    webhook_backoff_seconds: float = Field(
        default=5,
        gt=0,
        le=600,
        description="Most that a webhook waits before its second try; each further "
        "wait may be twice as long, up to 1 h.",
    )
    webhook_max_tries: int = Field(
        default=12, ge=1, le=50, description="Deliveries that a webhook may try."
    )
    webhook_max_age_seconds: Seconds = Field(
        default=86_400,
        description="A webhook that was not delivered within this time has failed.",
    )
