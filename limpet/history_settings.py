"""The settings of what is kept of pools and sessions in SQL; see `limpet.settings`."""

from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings

#: An HMAC is as strong as its key: what can be guessed hides nothing.
_SECRET_MIN: Final = 16
Days = Annotated[int, Field(ge=1, le=36_500)]


def _strong(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < _SECRET_MIN:
        raise ValueError(f"must have {_SECRET_MIN} characters or more")
    return secret


class HistorySettings(BaseSettings):
    """How long history is kept, how sessions are named in it, how they are copied."""

    snapshot_keep_days: Days = Field(
        default=8, description="Metric snapshots older than this are removed from SQL."
    )
    rollup_keep_days: Days = Field(
        default=400, description="Hourly sums older than this are removed from SQL."
    )
    audit_keep_days: Days = Field(
        default=90, description="Audit events older than this are removed from SQL."
    )
    closed_keep_days: Days = Field(
        default=90,
        description="Rows of sessions that ended longer ago are removed from SQL.",
    )
    checkpoint_keep_hours: int = Field(
        default=24,
        ge=0,
        le=8760,
        description="Copies of sessions that expired longer ago are removed from SQL.",
    )
    checkpoint_max_sessions: int = Field(
        default=50_000,
        ge=1,
        description="Sessions that one checkpoint looks at, in each pool; the next one "
        "goes on from there.",
    )
    history_hash_key: Annotated[SecretStr, AfterValidator(_strong)] | None = Field(
        default=None,
        description="Secret under which ids of sessions are hashed in SQL; unset: they "
        "are kept as they are. Needs LIMPET_STATE_KEYS.",
    )

    # Declared by who inherits from this, and so read after what it is compared with.
    @field_validator("state_keys", check_fields=False)
    @classmethod
    def _seals_what_is_hashed(
        cls, keys: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        if keys is None and info.data.get("history_hash_key") is not None:
            raise ValueError(
                "must be set where LIMPET_HISTORY_HASH_KEY is: of ids that are hashed, "
                "a restore needs the real ones, sealed"
            )
        return keys
