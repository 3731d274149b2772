"""Settings, read once from the environment and from ``.env``.

A variable that is misspelt is an error, not a default: it names the nearest real one.
"""

import os
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from math import inf
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsConfigDict

from limpet.errors import ConfigurationError
from limpet.fetch_settings import FetchSettings
from limpet.health_settings import HealthSettings
from limpet.history_settings import HistorySettings
from limpet.monitor_settings import MonitorSettings
from limpet.politeness_settings import PolitenessSettings
from limpet.pool_settings import PoolSettings, Seconds
from limpet.queue_settings import QueueSettings
from limpet.result_settings import ResultSettings
from limpet.upkeep_settings import UpkeepSettings
from limpet.urls import BrokerUrl, DatabaseUrl, ResultsUrl, SessionsUrl

ROOT: Final = Path(__file__).resolve().parent.parent
#: Variables with these beginnings are ours, so one that we do not know is a mistake.
OWNED: Final = ("LIMPET_", "SESSION_CLEANUP_", "SESSION_TIMEOUT_", "SESSION_MAX_")

#: What a text has to be where a pattern says so, in words.
PATTERNS: Final = {
    "LIMPET_USER_AGENT": "1 to 256 characters of ASCII without line breaks",
    "LIMPET_ROBOTS_USER_AGENT": "1 to 256 characters of ASCII without line breaks",
    "LIMPET_PROXY_STRATEGY": "1 to 32 of the characters a-z 0-9 _, beginning with a "
    "letter",
    "LIMPET_FETCHER": "1 to 32 of the characters a-z 0-9 _ -, beginning with a letter",
    "LIMPET_CURL_IMPERSONATE": "1 to 32 of the characters a-z 0-9 _, beginning with a "
    "letter",
    "LIMPET_SENTINEL_MASTER": "1 to 128 of the characters A-Z a-z 0-9 . _ -",
    "LIMPET_DIRECT_POOLS": "names of pools, separated by commas without spaces: each 1 "
    "to 32 of the characters a-z 0-9 _ -, beginning with a letter or digit",
}

Port = Annotated[int, Field(ge=1, le=65_535)]


class Settings(
    FetchSettings,
    QueueSettings,
    HealthSettings,  # before the results': what signs webhooks is read first
    ResultSettings,
    PolitenessSettings,
    UpkeepSettings,
    HistorySettings,
    MonitorSettings,
    PoolSettings,
):
    """What can be set; `docs/settings.md` is made from this class."""

    model_config = SettingsConfigDict(
        env_prefix="LIMPET_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    redis_url: SessionsUrl | None = Field(
        default=None,
        description="Redis for sessions and proxies; unset: the embedded one.",
    )
    broker_url: BrokerUrl | None = Field(
        default=None,
        validation_alias="CELERY_BROKER_URL",
        description="Celery's broker; unset: the embedded Redis.",
    )
    result_backend: ResultsUrl | None = Field(
        default=None,
        validation_alias="CELERY_RESULT_BACKEND",
        description="Where results are kept; unset: the broker, if that is a Redis.",
    )
    database_url: DatabaseUrl | None = Field(
        default=None,
        description="URL of the SQL database; unset: SQLite in the state folder.",
    )
    state_keys: SecretStr | None = Field(
        default=None,
        description="Fernet keys, separated by commas, that seal secrets at rest: the "
        "first seals, all open; unset: stored as they are.",
    )
    redis_cluster: bool = Field(
        default=False,
        description="Whether LIMPET_REDIS_URL is a node of a Redis Cluster.",
    )
    state_dir: Path = Field(
        default=ROOT / ".limpet",
        description="Folder of the embedded Redis, SQLite and beat; not shared.",
    )
    env_file: Path = Field(
        default=ROOT / ".env",
        description="File with settings; the environment wins over it.",
    )
    embedded_redis_port: Port = Field(
        default=6399, description="Loopback port of the embedded Redis."
    )
    allow_eviction: bool = Field(
        default=False,
        description="Accept a session Redis that drops keys when it is full.",
    )

    job_timeout_seconds: float = Field(
        default=30,
        gt=0,
        le=300,
        description="Deadline of one fetch when the job names none.",
    )
    job_max_tries: int = Field(
        default=6, ge=1, le=50, description="Fetches that a job may try."
    )
    job_max_age_seconds: Seconds = Field(
        default=900,
        description="A job that could not finish within this time has failed.",
    )
    user_agent: str = Field(
        default="limpet/0.1",
        pattern=r"^[ -~]{1,256}$",
        description="What sites are told that they are visited by.",
    )
    visibility_timeout_seconds: int = Field(
        default=60,
        ge=1,
        le=86_400,
        description="A killed worker's jobs go to another one after this time; with "
        "LIMPET_TRANSPORT=stock longer than LIMPET_JOB_TIMEOUT_SECONDS and any job.",
    )
    worker_threads: int = Field(
        default=25, ge=1, le=200, description="Jobs that one worker runs at a time."
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe level that is logged."
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="Lines for people, or one JSON object a line."
    )

    @field_validator("visibility_timeout_seconds")
    @classmethod
    def _outlives_a_fetch(cls, seconds: int, info: ValidationInfo) -> int:
        fetch = info.data.get("job_timeout_seconds", 0)
        # Our own transport says that a job is still being worked on; this one cannot.
        if info.data.get("transport") == "stock" and seconds <= fetch:
            raise ValueError(
                f"must be longer than LIMPET_JOB_TIMEOUT_SECONDS ({fetch:g}) with "
                "LIMPET_TRANSPORT=stock"
            )
        return seconds

    def make_state_dir(self) -> Path:
        """Return the state folder, made if it is not there; nobody else may look in.

        Raises:
            ConfigurationError: it cannot be made.
        """
        folder = self.state_dir.absolute()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"LIMPET_STATE_DIR: cannot make {str(folder)!r} ({error.strerror})"
            ) from None
        return folder

    @property
    def embedded_redis(self) -> bool:
        """Whether anything relies on the embedded Redis."""
        return self.redis_url is None or self.broker_url is None

    @property
    def sessions_url(self) -> str:
        """The session Redis: as set, or database 1 of the embedded one."""
        return _reveal(self.redis_url) or self._embedded(1)

    @property
    def celery_broker(self) -> str:
        """The broker: as set, or database 0 of the embedded Redis."""
        return _reveal(self.broker_url) or self._embedded(0)

    @property
    def longest_hold(self) -> float:
        """Seconds for which a worker may hold a message before another one gets it."""
        if self.transport == "stock" and not self.celery_broker.startswith("amqp"):
            return self.visibility_timeout_seconds
        return inf

    @property
    def celery_results(self) -> str:
        """The result backend: as set, or the broker if it can keep results."""
        broker = self.celery_broker
        return _reveal(self.result_backend) or (
            broker if broker.startswith(("redis", "sentinel")) else "rpc://"
        )

    @property
    def sql_url(self) -> str:
        """The database: as set, or a file in the state folder."""
        file = self.state_dir.absolute() / "limpet.db"
        return _reveal(self.database_url) or f"sqlite:///{file}"

    @property
    def artifacts(self) -> str:
        """Where bodies are kept: as set, or a folder in the state folder."""
        folder = self.state_dir.absolute() / "artifacts"
        return _reveal(self.artifacts_url) or str(folder)

    @property
    def webhook_secrets(self) -> list[str]:
        """What signs webhooks; empty when nothing does."""
        found = _reveal(self.webhook_secret).split(",")
        return [one.strip() for one in found if one.strip()]

    def _embedded(self, database: int) -> str:
        return f"redis://127.0.0.1:{self.embedded_redis_port}/{database}"


def _reveal(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def variable_of(name: str) -> str:
    """Return the environment variable of the setting *name*."""
    return str(Settings.model_fields[name].validation_alias or f"LIMPET_{name.upper()}")


def variables() -> dict[str, FieldInfo]:
    """Every environment variable that is a setting, by name."""
    fields = Settings.model_fields.items()
    return {variable_of(name): field for name, field in fields}


@cache
def settings() -> Settings:
    """Return the settings of this process.

    Raises:
        ConfigurationError: a line for each variable that is unknown or has a value
            that is not allowed.
    """
    asked = os.environ.get("LIMPET_ENV_FILE")
    file = Path(asked or ROOT / ".env")
    if asked and not file.exists():
        raise ConfigurationError(f"LIMPET_ENV_FILE: there is no file {asked!r}")
    named = {name.upper() for name in (*os.environ, *dotenv_values(file))}
    if problems := list(_misspelt(named)):
        raise ConfigurationError(*problems)
    try:
        return Settings(_env_file=file)
    except ValidationError as error:
        raise ConfigurationError(*map(_problem, error.errors())) from None


def _misspelt(named: Iterable[str]) -> Iterable[str]:
    known = list(variables())
    for name in sorted(named):
        if name.startswith(OWNED) and name not in known:
            near = get_close_matches(name, known, n=3, cutoff=0.6)
            # What a name begins with says more than how its end is spelt.
            near.sort(key=lambda one: one.split("_")[:2] != name.split("_")[:2])
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"{name}: there is no such setting{hint}"


def _problem(error: Any) -> str:
    found = str(error["loc"][0])
    name = found if found in variables() else f"LIMPET_{found.upper()}"
    field = variables()[name]
    shown = "" if "SecretStr" in str(field.annotation) else f", not {error['input']!r}"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "string_pattern_mismatch":
        message = f"must be {PATTERNS[name]}"
    message = message[0].lower() + message[1:]
    default = "unset" if field.default in (None, "") else field.default
    about = f"{field.description} Default: {default}"
    allowed = bounds(field)
    return f"{name}: {message}{shown} ({about}{'; allowed: ' * bool(allowed)}{allowed})"


def bounds(field: FieldInfo) -> str:
    """Say in words which values a setting may have; nothing where its text says it."""
    if field.annotation is bool:
        return "true or false"
    signs = {"gt": "above", "ge": "from", "le": "to", "lt": "below"}
    return ", ".join(
        f"{word} {value:,}"
        for limit in field.metadata
        for name, word in signs.items()
        if (value := getattr(limit, name, None)) is not None
    )
