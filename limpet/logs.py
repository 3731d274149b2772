"""One log format for every process of ours, Celery's own lines included.

Events have constant names and fields (structlog). Whatever comes along, a password
in a URL is masked before a line is written.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from limpet.settings import Settings

#: ``://user:password@`` in any text, also where the password has an ``@`` in it.
_CREDENTIALS = re.compile(r"(://)[^\s/'\"]+@")
#: What others may say at most. Celery prints arguments at DEBUG and results at INFO,
#: urllib3 prints URLs at DEBUG: query strings and pages are not for logs. Jobs log
#: themselves.
_OTHERS: Final = {
    "celery": logging.INFO,
    "celery.app.trace": logging.WARNING,
    "celery.worker.strategy": logging.WARNING,
    "kombu": logging.INFO,
    "amqp": logging.INFO,
    "urllib3": logging.WARNING,
    # It warns of headers that it cannot read with the whole URL.
    "urllib3.connection": logging.ERROR,
    "alembic": logging.WARNING,
}


def redact(text: str) -> str:
    """Mask the credentials of every URL in *text*."""
    return _CREDENTIALS.sub(r"\1***@", text)


def _redact_event(
    _logger: Any, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact(value)
    return event


def configure(settings: Settings) -> None:
    """Send this process's logs to standard error, in the format that is set."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        # What is not to be written is not made either.
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name, level in _OTHERS.items():
        logging.getLogger(name).setLevel(max(level, root.level))
