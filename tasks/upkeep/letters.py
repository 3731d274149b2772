"""Dead letters, moved to where they are kept."""

import structlog

from limpet.dead import DeadLetters
from limpet.names import STORE_DEAD_LETTERS
from limpet.settings import settings
from tasks import parked
from tasks.celery import app
from tasks.upkeep.base import UpkeepTask

log = structlog.get_logger(__name__)


@app.task(base=UpkeepTask, name=STORE_DEAD_LETTERS)
def store_dead_letters() -> dict[str, int]:
    """Move dead letters to SQL and forget old ones; return how many of each."""
    letters = DeadLetters(settings())
    report = {
        "parked": parked.collect(app),
        "stored": letters.move(),
        "expired": letters.expire(),
    }
    log.info("dead_letters_stored", **report)
    return report
