"""What of a worker's answers to `inspect` may be seen, beyond its jobs.

Celery's own answers hold the whole configuration, what an app has put there included,
and the broker's alternatives with their passwords. Of these only what is known to be
harmless is told. To do that again with what was told changes nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

from celery.app.defaults import SETTING_KEYS

from limpet.jobs.fields import HIDDEN
from limpet.showing import place

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


def conf(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a worker is configured.

    Only Celery's own options: anything may be in one that an app has added.
    """
    return {
        name: _option(name, value)
        for name, value in sorted(table.items())
        if name in SETTING_KEYS
    }


def _option(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if name == "beat_schedule" and isinstance(value, Mapping):
        return {entry: _entry(what) for entry, what in value.items()}
    if name in _ADDRESSES:
        some = value if isinstance(value, list) else str(value).split(";")
        return [place(one, "path") for one in some]
    return str(value) if name in _WORDS else HIDDEN


def _entry(what: object) -> dict[str, str]:
    told = what if isinstance(what, Mapping) else {}
    return {name: str(told.get(name, "")) for name in ("task", "schedule")}


def stats(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a worker has done, and with what."""
    broker = told.get("broker") or {}
    return {**told, "broker": {name: broker.get(name) for name in _BROKER}}
