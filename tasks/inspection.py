"""What a worker answers to `inspect`, and so Flower's page of it, beyond its jobs.

Importing this replaces Celery's own answers; see `limpet.inspection`.
"""

import platform
from importlib.metadata import version
from typing import Any

from celery.utils.serialization import strtobool
from celery.worker.control import inspect_command

from limpet import inspection


@inspect_command(
    alias="dump_conf",
    signature="[include_defaults=False]",
    args=[("with_defaults", strtobool)],
)
def conf(state: Any, with_defaults: Any = False, **_: Any) -> dict[str, Any]:  # noqa: FBT002 - Celery's
    """Tell how the worker is configured."""
    table = state.app.conf.table(with_defaults=with_defaults, censored=False)
    return inspection.conf(table)


@inspect_command()
def stats(state: Any, **_: Any) -> dict[str, Any]:
    """Tell what the worker has done, and with what."""
    return inspection.stats(state.consumer.controller.stats())


@inspect_command()
def report(_state: Any, **_: Any) -> dict[str, str]:
    """Tell the versions that somebody who looks into a fault asks for."""
    versions = {
        "celery": version("celery"),
        "kombu": version("kombu"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    return {"ok": "\n".join(f"{name}: {what}" for name, what in versions.items())}
