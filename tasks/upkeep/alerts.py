"""What has changed for worse or better is told: to the audit, the log, a webhook."""

from functools import cache
from typing import Any

import structlog

from health.alerts import Alerts, Change
from health.check import Status
from health.store import HealthStore
from health.survey import Survey
from limpet.connection import session_redis
from limpet.names import CHECK_ALERTS
from limpet.settings import settings
from tasks import webhook
from tasks.celery import app
from tasks.upkeep.base import UpkeepTask

log = structlog.get_logger(__name__)


@app.task(base=UpkeepTask, name=CHECK_ALERTS)
def check_alerts() -> dict[str, Any]:
    """Judge how everything is and tell what has changed; each change is told once.

    Raises:
        StoreUnavailable: Redis, which knows what was told, or the broker is away.
    """
    config = settings()
    store = HealthStore(session_redis(config), config)
    url = config.alert_webhook_url
    alerts = Alerts(store, after=config.alert_after_seconds, outbox=url is not None)
    report = _survey().see().report
    changes = alerts.tell(report)
    for change in changes:
        say = log.info if change.status is Status.HEALTHY else log.warning
        say(
            "alert",
            alert=change.alert,
            was=change.was.value,
            status=change.status.value,
            text=change.text,
        )
    sent = 0
    if url is not None:
        for change in alerts.unsent():
            _send(change, url.get_secret_value())
            alerts.sent(change)
            sent += 1
    return {"status": report.status.value, "changes": len(changes), "sent": sent}


def _send(change: Change, url: str) -> None:
    # The same delivery whoever sends it, and again should the broker fail in between.
    webhook.notify(f"alert {change.id}", url, {"event": "alert", **change.as_json()})


@cache
def _survey() -> Survey:
    return Survey(settings(), app)
