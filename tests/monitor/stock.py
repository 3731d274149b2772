"""A plain Celery program on the same broker, with a secret in all that it has."""

import os
import time
from pathlib import Path
from typing import Final

from celery import Celery

#: What gives away where it was found.
ARGUMENT: Final = "St0ckArgS3cret"
RESULT: Final = "St0ckResultS3cret"
ERROR: Final = "St0ckErrorS3cret"
OPTION: Final = "St0ckOptionS3cret"
#: As long as this file is there, `slow` is under way.
HOLD: Final = "hold"

_BROKER = os.environ.get("CELERY_BROKER_URL", "memory://")
app = Celery("stock", broker=_BROKER, backend=_BROKER)
app.conf.update(
    task_default_queue="stock",
    broker_transport_options={"token": OPTION},
    # Its key says nothing to Celery, which hides what is called a password.
    my_option=OPTION,
)


class ConfigurationError(Exception):
    """Is called as one of ours is."""


@app.task(name="stock.done")
def done(**_: object) -> object:
    return {"session": f"sid={RESULT}", "proxy": f"http://u:{RESULT}@h:1", "n": 3}


@app.task(name="stock.failed")
def failed(**_: object) -> None:
    raise ConfigurationError(f"bad dsn postgres://u:{ERROR}@h")


@app.task(name="stock.slow")
def slow(*_: object, **__: object) -> None:
    while (Path(os.environ["LIMPET_STATE_DIR"]) / HOLD).exists():
        time.sleep(0.05)
