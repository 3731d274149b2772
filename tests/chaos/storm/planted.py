"""The app with a bug that is planted, to see that the checker finds it.

``celery -A tests.chaos.storm.planted``; ``STORM_BUG`` says which: ``unfenced`` takes
what late holders of a lease still bring, ``early-ack`` acknowledges a job before it is
done.
"""

import os

from limpet import scripts

_BUG = os.environ["STORM_BUG"]
_REFUSED = 'if redis.call("ZREM", leases, token) == 0 then'
_UNFENCED = {
    _REFUSED: 'redis.call("ZREM", leases, token)\nif false then',
    "if s.i ~= incarnation then": "if false then",
}


def _unfence() -> None:
    whole = scripts.source

    def unfenced(package: str, name: str, *inserts: object) -> str:
        text = whole(package, name, *inserts)  # type: ignore[arg-type] # as they came
        if (package, name) == ("sessions", "release"):
            for good, bad in _UNFENCED.items():
                assert good in text, good
                text = text.replace(good, bad)
        return text

    scripts.source = unfenced  # type: ignore[assignment] # takes the same


if _BUG == "unfenced":
    _unfence()

from tasks.celery import app  # noqa: E402 - it reads the scripts when it is imported

if _BUG == "early-ack":
    app.conf.task_acks_late = False
