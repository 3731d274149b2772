"""What a worker answers to ``inspect``, and so Flower's page of it, beyond its jobs.

Celery's own answers hold the whole configuration, what an app has put there included,
and the broker's alternatives with their passwords. Of these only what is known to be
harmless is told. Importing this replaces them.
"""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

from celery.app.defaults import SETTING_KEYS
from celery.utils.serialization import strtobool
from celery.worker.control import inspect_command

from limpet.showing import HIDDEN, place

#: Options whose values are words that say how, and never where or with what.
_WORDS: Final = frozenset(
    {"accept_content", "include", "timezone", "beat_scheduler"}
    | {"event_exchange", "event_queue_prefix", "event_serializer"}
    | {"result_accept_content", "result_serializer"}
    | {"task_default_delivery_mode", "task_default_exchange"}
    | {"task_default_exchange_type", "task_default_queue", "task_default_routing_key"}
    | {"task_serializer", "worker_consumer", "worker_pool", "worker_state_db"}
)
_ADDRESSES: Final = frozenset({"broker_url", "result_backend"})
#: What is told of the connection to the broker.
_BROKER: Final = ("transport", "hostname", "port", "virtual_host", "heartbeat")


@inspect_command(
    alias="dump_conf",
    signature="[include_defaults=False]",
    args=[("with_defaults", strtobool)],
)
def conf(state: Any, with_defaults: Any = False, **_: Any) -> dict[str, Any]:  # noqa: FBT002 - Celery's
    """Tell how the worker is configured."""
    table = state.app.conf.table(with_defaults=with_defaults, censored=False)
    return {
        name: _option(name, value)
        for name, value in sorted(table.items())
        if _known(name)
    }


def _known(name: str) -> bool:
    """Whether it is an option of Celery's; anything may be in one of an app's own."""
    return name in SETTING_KEYS


def _option(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if name == "beat_schedule":
        return {entry: _entry(what) for entry, what in value.items()}
    if name in _ADDRESSES:
        return [place(one, "path") for one in str(value).split(";")]
    return str(value) if name in _WORDS else HIDDEN


def _entry(what: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(what.get(name, "")) for name in ("task", "schedule")}


@inspect_command()
def stats(state: Any, **_: Any) -> dict[str, Any]:
    """Tell what the worker has done, and with what."""
    told = dict(state.consumer.controller.stats())
    broker = told.get("broker") or {}
    told["broker"] = {name: broker.get(name) for name in _BROKER}
    return told


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
