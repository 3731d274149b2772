"""The Celery app, configured.

The one module that reads the environment when it is imported: ``celery -A tasks``
must find a finished app. A wrong setting ends the process with one readable line.
"""

import logging
import os
from pathlib import Path
from typing import Final

import structlog
from celery.exceptions import Reject
from celery.signals import setup_logging, worker_init
from dotenv import dotenv_values

from limpet import database
from limpet.connection import require_no_eviction, session_redis
from limpet.errors import ConfigurationError, StoreUnavailable
from limpet.logs import configure
from limpet.settings import Settings, settings
from proxies.store import check_strategies
from sessions import check, require_layouts
from tasks import burial, inspection, lookout, recalling, starting  # noqa: F401 - they set up workers
from tasks.app import App
from tasks.forwarding import Forwarding
from tasks.options import options
from tasks.pulse import Pulse
from tasks.renewal import Renewal
from tasks.transport import use_ours

#: One module for each kind of upkeep.
_UPKEEP: Final = tuple(
    f"tasks.upkeep.{name}"
    for name in (
        *("alerts", "audit", "checkpoints", "cleanup", "evacuation", "history"),
        *("letters", "probe_now", "probes", "snapshots"),
    )
)
#: What makes Flower ours, wherever it is started.
_FLOWER_CONFIG: Final = Path(__file__).resolve().parents[1] / "flowerconfig.py"


def _create(config: Settings) -> App:
    if config.transport == "reliable":
        use_ours()
    made = App(
        "limpet",
        include=[
            *("tasks.scrape", "tasks.scrape_many", "tasks.render", "tasks.webhook"),
            *_UPKEEP,
        ],
    )
    made.conf.update(options(config))
    if config.celery_results.startswith(("redis://", "rediss://")):
        made.backend_cls = f"tasks.backend:Results+{config.celery_results}"
    made.steps["consumer"].update({Forwarding, Pulse, Renewal})
    return made


def _read_flower_options(file: Path) -> None:
    # Flower reads the environment alone, and would run open to whoever finds it.
    for name, value in dotenv_values(file).items():
        if name.startswith("FLOWER_") and value:
            os.environ.setdefault(name, value)
    # By itself it looks where it was started, and goes on without.
    os.environ.setdefault("FLOWER_CONF", str(_FLOWER_CONFIG))


try:
    app = _create(settings())
    _read_flower_options(settings().env_file)
except ConfigurationError as error:
    raise SystemExit(f"limpet: {error}") from None


@setup_logging.connect
def _log(**_signal: object) -> None:
    configure(settings())
    logging.getLogger("celery.app.trace").addFilter(_given_back)


def _given_back(record: logging.LogRecord) -> bool:
    """Take the stack from a job that is given back: that is no failure."""
    if record.exc_info and isinstance(record.exc_info[1], Reject):
        record.exc_info = None
    return True


@worker_init.connect
def _check_stores(**_signal: object) -> None:
    config = settings()
    try:
        check(config)
        database.engine(config.sql_url)
        if not config.allow_eviction:
            require_no_eviction(session_redis(config))
        check_strategies(session_redis(config), config.strategies_dir)
        require_layouts(session_redis(config), config)
    except ConfigurationError as error:
        raise SystemExit(f"limpet: {error}") from None
    except StoreUnavailable as error:
        # It may come later, as the broker may: jobs wait for it.
        structlog.get_logger(__name__).warning("store_not_ready", reason=str(error))
