"""The settings of the queue and of the jobs that fail for good."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class QueueSettings(BaseSettings):
    """How jobs are taken, and what becomes of those that never succeed."""

    transport: Literal["reliable", "stock"] = Field(
        default="reliable",
        description="How a Redis broker is used: with nothing lost, or as stock Celery "
        "does; a RabbitMQ broker takes no notice.",
    )
    sentinel_master: str = Field(
        default="mymaster",
        pattern=r"^[A-Za-z0-9._-]{1,128}$",
        description="Name of the master behind a sentinel:// broker or result backend.",
    )
    pulse_file: Path | None = Field(
        default=None,
        description="File that a worker, or beat, touches every 5 s while it is at "
        "work; `python -m limpet.pulse` judges its age; unset: none.",
    )
    job_max_losses: int = Field(
        default=5,
        ge=1,
        le=100,
        description="Workers that may die of one job before it has failed.",
    )
    dead_letter_days: int = Field(
        default=30, ge=1, le=3650, description="How long dead letters are kept in SQL."
    )
