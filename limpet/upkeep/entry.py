"""An entry of the schedule, and the settings that it has."""

from dataclasses import dataclass
from typing import Any, Final

from limpet.crontab import crontab
from limpet.settings import Settings, variable_of

#: Seconds of the units that intervals are set in.
_UNITS: Final = {"seconds": 1, "minutes": 60}


@dataclass(frozen=True, slots=True)
class Entry:
    """A task that beat sends.

    *prefix* begins the names of its settings: ``<prefix>_enabled``,
    ``<prefix>_interval_<unit>`` and ``<prefix>_crontab``, which wins if it is set.
    """

    name: str
    task: str
    prefix: str
    unit: str = "seconds"

    def enabled(self, settings: Settings) -> bool:
        return bool(getattr(settings, f"{self.prefix}_enabled"))

    def switch(self) -> str:
        """Return the variable that turns it off."""
        return variable_of(f"{self.prefix}_enabled")

    def source(self, settings: Settings) -> tuple[str, str]:
        """Return the variable that says when it runs, and its value."""
        fields = (f"{self.prefix}_crontab", f"{self.prefix}_interval_{self.unit}")
        field = next(one for one in fields if getattr(settings, one))
        value = getattr(settings, field)
        return variable_of(field), value if isinstance(value, str) else f"{value:g}"

    def schedule(self, settings: Settings) -> Any:
        """Return seconds, or Celery's crontab."""
        if text := getattr(settings, f"{self.prefix}_crontab"):
            return crontab(text)
        interval = getattr(settings, f"{self.prefix}_interval_{self.unit}")
        return float(interval) * _UNITS[self.unit]
