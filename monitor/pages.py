"""What Flower answers for us."""

from typing import Final

from flower.views import BaseHandler
from flower.views.monitor import Metrics as FlowerMetrics

from health import Status
from health.survey import Seen
from monitor.exposition import exposition
from monitor.heartbeats import Heartbeats
from monitor.metrics import LimpetCollector
from monitor.watch import Watch

_DOWN: Final = 503


class _Watching(BaseHandler):  # type: ignore[misc] # it has no types
    """A page that knows how things are."""

    def initialize(self, watch: Watch, heartbeats: Heartbeats) -> None:
        self._watch = watch
        self._heartbeats = heartbeats

    async def seen(self) -> Seen:
        """Look; takes no longer than ``LIMPET_HEALTH_TIMEOUT_SECONDS``."""
        self._heartbeats.note(self.application.events.state)
        return await self._watch.seen()


class Healthz(_Watching):
    """How everything is, as JSON: 503 when it is down, else 200."""

    async def get(self) -> None:
        report = (await self.seen()).report
        if report.status is Status.DOWN:
            self.set_status(_DOWN)
        self.set_header("Cache-Control", "no-store")
        self.write(report.as_json())

    async def head(self) -> None:
        await self.get()


class Metrics(_Watching, FlowerMetrics):  # type: ignore[misc] # it has no types
    """Flower's metrics with ours, which are as new as the request."""

    def initialize(  # type: ignore[override] # Tornado alone calls it
        self, watch: Watch, heartbeats: Heartbeats, ours: LimpetCollector
    ) -> None:
        super().initialize(watch, heartbeats)
        self._ours = ours

    async def get(self) -> None:
        await self.seen()
        await super().get()
        self.write(exposition(self._ours.collect()))

    def compute_etag(self) -> None:
        """Return none: a scrape is never like the one before."""
