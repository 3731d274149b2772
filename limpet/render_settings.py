"""The settings of jobs in a browser; see `limpet.settings`."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings


def _program(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("must be a file that is there")
    if not os.access(path, os.X_OK):
        raise ValueError("must be a program: this file may not be run")
    return path


class RenderSettings(BaseSettings):
    """Which browser, how much of it, and what pages may do."""

    chromium: Annotated[Path, AfterValidator(_program)] | None = Field(
        default=None,
        description="The browser's program; unset: chromium-headless-shell, chromium, "
        "or the one that Playwright has installed.",
    )
    # A page in a browser asks for a hundred things where a fetch asks for one.
    render_timeout_seconds: float = Field(
        default=60,
        gt=0,
        le=300,
        description="Deadline of a page in a browser, steps and all, when the job "
        "names none.",
    )
    render_step_timeout_seconds: float = Field(
        default=15,
        gt=0,
        le=300,
        description="Deadline of one step of it, when the job names none.",
    )
    # 45 MB each, and a page keeps a core busy for most of its time.
    render_contexts: int = Field(
        default=4,
        ge=1,
        le=64,
        description="Pages at a time in the browser of one worker process.",
    )
    render_hot_contexts: int = Field(
        default=4,
        ge=0,
        le=64,
        description="Sessions whose browser context, some 18 MB, stays open for their "
        "next page; 0: each page restores its session's storage.",
    )
    render_hot_seconds: float = Field(
        default=60,
        gt=0,
        le=3600,
        description="How long such a context waits for its session's next page.",
    )
    # What browsers leak grows with pages: a new one takes 0.2 s, and its driver 0.5 s.
    render_max_pages: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Pages after which a worker gets a new browser.",
    )
    render_max_memory_mb: int = Field(
        default=1500,
        ge=200,
        le=65_536,
        description="Memory of a worker's browser above which it gets a new one, and a "
        "page with half of it is ended; twice that, and the browser is ended at once.",
    )
    # A shop's page has 3 MB, with its pictures.
    render_max_bytes: int = Field(
        default=50 * 1024 * 1024,
        ge=1,
        le=1024**3,
        description="Bytes that a page in a browser may bring when the job names none.",
    )
    # To restore one takes some 50 ms of each page.
    render_max_origins: int = Field(
        default=8,
        ge=0,
        le=100,
        description="Origins whose local storage and IndexedDB a session keeps.",
    )
    render_max_storage_bytes: int = Field(
        default=256 * 1024,
        ge=0,
        le=5_000_000,
        description="Bytes of local storage and IndexedDB, in JSON, that stay.",
    )
    render_allow_js: bool = Field(
        default=False,
        description="Whether jobs may run scripts of their own in pages.",
    )
    # Needs user namespaces, which containers and root mostly lack.
    render_sandbox: bool = Field(
        default=False,
        description="Whether the browser sandboxes pages; not as root, and not in most "
        "containers.",
    )
