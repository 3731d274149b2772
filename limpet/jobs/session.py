"""What all jobs say that use a session: which one, where it goes, what stays."""

from typing import Annotated, Literal

from pydantic import Field

from limpet.jobs.blocks import BlockRules
from limpet.jobs.extraction import Rules
from limpet.jobs.fields import Job, PoolName, SessionId, Timeout
from limpet.jobs.headers import Headers
from limpet.jobs.storing import IdempotencyKey, Store
from limpet.jobs.webhook import Webhook

_Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class SessionJob(Job):
    """Whose job it is, and what to do with what came.

    *session* is kept on one proxy; without one, the job has a session of its own, which
    ends with it. *pool*, *country*, *tags* and *strategy* say which proxies may be
    chosen for a new session. *sticky*, *ttl* (seconds) and *max_requests* say how a new
    session lives; one that exists keeps what it began with.

    *timeout* is in seconds and covers one try: a fetch with its redirects, or a page
    with all its steps. *max_age* bounds in seconds how long the job may wait and be
    tried (for many pages: since the last one that came). With *robots* the site's
    robots.txt is obeyed. *store* keeps a row (and the body) for good; *idempotency_key*
    lets a job that is sent twice be done once.
    """

    headers: Headers = Field(default={}, repr=False)
    session: SessionId | None = None
    pool: PoolName = "default"
    country: Annotated[str, Field(pattern=r"^[A-Za-z]{2}$")] | None = None
    tags: Annotated[list[_Tag], Field(max_length=8)] = Field(default=[])
    strategy: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")] | None = None
    sticky: Literal["soft", "hard"] | None = None
    ttl: Annotated[float, Field(gt=0, le=31_536_000, allow_inf_nan=False)] | None = None
    max_requests: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    timeout: Timeout | None = None
    max_age: Annotated[float, Field(gt=0, le=604_800, allow_inf_nan=False)] | None = (
        None
    )
    extract: Rules | None = None
    blocks: BlockRules | None = None
    robots: bool = False
    store: Store | None = None
    webhook: Webhook | None = None
    idempotency_key: IdempotencyKey | None = None

    @property
    def why_once(self) -> str:
        """Why what has begun at the site is not done again; empty where it is."""
        return ""
