"""The app with a bug that is planted, to see that the checker finds it.

``celery -A tests.chaos.storm.planted``; ``STORM_BUG`` says which: ``unfenced`` takes
what late holders of a lease still bring, ``unsticky`` moves a session to another proxy
each time, ``early-ack`` acknowledges a job before it is done.
"""

import os

from limpet import scripts

_BUG = os.environ["STORM_BUG"]
_REFUSED = 'if redis.call("ZREM", leases, token) == 0 then'
#: Of a bug in a script of the sessions: which, and what it has instead.
_BAD_LUA = {
    "unfenced": (
        "release",
        {
            _REFUSED: 'redis.call("ZREM", leases, token)\nif false then',
            "if s.i ~= incarnation then": "if false then",
        },
    ),
    "unsticky": (
        "acquire",
        {'if excluded == ""': "if false", "if not d.fit then": "if true then"},
    ),
}


def _plant(script: str, changes: dict[str, str]) -> None:
    whole = scripts.source

    def planted(package: str, name: str, *inserts: object) -> str:
        text = whole(package, name, *inserts)  # type: ignore[arg-type] # as they came
        if (package, name) == ("sessions", script):
            for good, bad in changes.items():
                assert good in text, good
                text = text.replace(good, bad)
        return text

    scripts.source = planted  # type: ignore[assignment] # takes the same


if _BUG in _BAD_LUA:
    _plant(*_BAD_LUA[_BUG])

from tasks.celery import app  # noqa: E402 - it reads the scripts when it is imported

if _BUG == "early-ack":
    app.conf.task_acks_late = False
