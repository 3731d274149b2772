"""The Schedule tab: what runs by itself, when, and how it went."""

from dataclasses import dataclass

from tornado.web import authenticated

from limpet.upkeep import Beat, Row
from monitor.page import Page


@dataclass(frozen=True, slots=True)
class Schedule:
    """What the page shows; times are those of the session Redis."""

    beat: Beat
    rows: list[Row]

    @property
    def overdue(self) -> int:
        return sum(row.overdue for row in self.rows)

    @property
    def failing(self) -> int:
        return sum(bool(row.record.error) for row in self.rows)

    @property
    def off(self) -> int:
        return sum(not row.enabled for row in self.rows)

    @property
    def untouched(self) -> bool:
        """Whether nothing has ever run here."""
        return self.beat.silent is None and not any(
            row.record.started for row in self.rows
        )


class SchedulePage(Page):
    """Every entry of the schedule, its variable, its last run and its next."""

    tab = "schedule"
    title = "Schedule"

    @authenticated
    async def get(self) -> None:
        await self.show("schedule.html", lambda: Schedule(*self.sources.schedule()))
