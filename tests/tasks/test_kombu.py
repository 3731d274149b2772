"""What our transport relies on inside kombu; a new kombu that differs fails here."""

import inspect
from typing import Any

import pytest
from celery import concurrency
from celery.concurrency.base import BasePool
from celery.worker.consumer import Consumer
from celery.worker.control import Panel as CeleryPanel
from celery.worker.request import Request as CeleryRequest
from kombu import transport as kombu_transport
from kombu.transport import redis as stock
from kombu.transport.virtual import QoS as VirtualQoS

# Their types do not have what is used.
Panel: Any = CeleryPanel
Request: Any = CeleryRequest

PARTS: list[tuple[Any, list[str]]] = [
    (
        stock.Channel,
        [
            *("_brpop_start", "_brpop_read", "_flush_brpop_reauth", "_get", "_lookup"),
            *("_q_for_pri", "_get_message_priority", "_maybe_update_queues_expire"),
            *("conn_or_acquire", "async_pool", "pool", "client", "basic_get", "close"),
            *("_put", "_purge", "_delete", "priority_steps", "unacked_key"),
        ],
    ),
    (stock.QoS, ["append", "ack", "reject", "restore_unacked", "restore_visible"]),
    (VirtualQoS, ["append", "ack", "can_consume_max_estimate", "restore_unacked_once"]),
    (stock.MultiChannelPoller, ["_register", "on_poll_start", "on_readable"]),
    (stock.Transport, ["register_with_event_loop", "_deliver"]),
    (kombu_transport, ["TRANSPORT_ALIASES", "_transport_cache"]),
    # Celery's, which goes with it.
    (Request, ["_announce_revoked", "on_accepted", "_retry_worker_lost"]),
    (Consumer, ["cancel_active_requests", "on_ready", "stop", "shutdown"]),
    (BasePool, ["terminate_job"]),
    (concurrency, ["ALIASES"]),
]


@pytest.mark.parametrize(("part", "names"), PARTS)
def test_kombu_has_the_parts_that_we_stand_on(part: Any, names: list[str]) -> None:
    assert [name for name in names if not hasattr(part, name)] == []


POLLER: Any = stock.MultiChannelPoller  # its types do not have what is used


@pytest.mark.parametrize(
    ("function", "words"),
    [
        # Who may ask is asked first, and only one answer is waited for.
        (POLLER._register_BRPOP, ["if not channel._in_poll"]),
        (stock.MultiChannelPoller.on_poll_start, ["qos.can_consume()"]),
        (stock.MultiChannelPoller.on_readable, ["chan.handlers[type]()"]),
        (stock.MultiChannelPoller.maybe_restore_messages, ["qos.restore_visible("]),
        (stock.Channel.close, ["self._brpop_read()", "except Empty"]),
        (VirtualQoS.restore_unacked_once, ["self.restore_unacked()"]),
        (stock.QoS.append, ["dumps([message._raw, EX, RK])"]),
        (stock.QoS.restore_by_tag, ["M, EX, RK = loads(bytes_to_str(p))"]),
        (stock.Channel._put, ["client.lpush(key, dumps(message))"]),
        (stock.Channel._put, ["kwargs.pop('_publish_batch', None)"]),
        # Which command is called is looked up by its name.
        (Panel._register, ["cls.data[control_name] = fun"]),
        # A job that is dropped has told of it before its message is acknowledged.
        (Request._announce_revoked, ["self.acknowledge()"]),
    ],
)
def test_kombu_does_what_we_rely_on(function: Any, words: list[str]) -> None:
    source = inspect.getsource(function)

    assert [word for word in words if word not in source] == []
