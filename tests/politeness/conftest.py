"""Limits on the tests' own Redis, and programs that run in many processes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from limpet.politeness_settings import DomainLimit
from politeness import DomainLimits
from politeness.store import DomainStore

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def limits_of(redis: Redis) -> Callable[..., DomainLimits]:
    """Make what one worker has; each has its own, as processes do."""

    def make(*, domains: dict[str, Any] | None = None, **limit: Any) -> DomainLimits:
        options = {
            name: limit.pop(name)
            for name in ("jitter", "longest_pause")
            if name in limit
        }
        return DomainLimits(
            DomainStore(redis),
            default=DomainLimit(**limit),
            domains={k: DomainLimit(**v) for k, v in (domains or {}).items()},
            **options,
        )

    return make


@pytest.fixture
def program(redis_port: int) -> Callable[..., subprocess.Popen[str]]:
    """Start a Python program that is told the URL of Redis and its arguments."""

    def start(source: str, *arguments: object) -> subprocess.Popen[str]:
        url = f"redis://127.0.0.1:{redis_port}/1"
        return subprocess.Popen(
            [sys.executable, "-c", source, url, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )

    return start
