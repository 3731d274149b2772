"""What a job asks of its session and its proxy, on top of what its pool says."""

from dataclasses import replace
from typing import Any

from limpet.jobs import SessionJob
from proxies import Selection
from proxies.selection import where
from sessions import SessionPolicy, Sticky


def policy(job: SessionJob, base: SessionPolicy) -> SessionPolicy:
    """Return how the session of *job* is kept."""
    asked: dict[str, Any] = {
        "idle_ttl": job.ttl,
        "max_requests": job.max_requests,
        "sticky": job.sticky and Sticky(job.sticky),
    }
    given = {name: value for name, value in asked.items() if value is not None}
    return replace(base, **given) if given else base


def selection(job: SessionJob, base: Selection) -> Selection:
    """Return how the proxy of *job* is chosen."""
    if not (job.country or job.tags or job.strategy):
        return base
    labels = where(country=job.country or "", tags=job.tags)
    return Selection(job.strategy or base.strategy, labels)
