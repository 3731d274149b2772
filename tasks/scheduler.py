"""Beat's memory of what it has sent, in the state folder."""

from celery.beat import PersistentScheduler

from limpet.errors import ConfigurationError
from limpet.settings import settings


class Scheduler(PersistentScheduler):
    """Celery's own, which opens its file before it says that it starts."""

    def setup_schedule(self) -> None:
        """Make the folder that the file is in."""
        try:
            settings().make_state_dir()
        except ConfigurationError as error:
            raise SystemExit(f"limpet: {error}") from None
        super().setup_schedule()
