"""A file of sessions that somebody has made: what is wrong with it is told."""

import hashlib
import json
from typing import Any

import pytest

from limpet.errors import InvalidExport
from sessions import SessionManager
from sessions.transfer import export_sessions, import_sessions

COOKIE = {"name": "a", "value": "secret", "domain": "shop.test"}


@pytest.mark.parametrize(
    ("state", "field"),
    [
        ({"cookies": ["a=1"]}, "state.cookies.0"),
        ({"cookies": [{"name": "a", "value": "secret"}]}, "state.cookies.0.domain"),
        (
            {"cookies": [{"name": "a", "value": 7, "domain": "shop.test"}]},
            "state.cookies.0.value",
        ),
        (
            {"cookies": [COOKIE | {"expires": "soon secret"}]},
            "state.cookies.0.expires",
        ),
        ({"cookies": [COOKIE | {"path": None}]}, "state.cookies.0.path"),
        ({"origins": [{"localStorage": []}]}, "state.origins.0.origin"),
        ({"headers": {"X-A": 1}}, "state.headers.X-A"),
        ({"user_agent": ["secret"]}, "state.user_agent"),
        ({"colour": "secret"}, "state.colour"),
    ],
)
def test_a_state_that_nobody_could_use_is_refused_by_its_field(
    manager: SessionManager, state: dict[str, Any], field: str
) -> None:
    manager.release(manager.acquire("s", hold=30))
    [head, line, _] = export_sessions(manager)
    list(manager.clear())
    lines = [head, json.dumps({**json.loads(line), "state": state}) + "\n"]
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()

    with pytest.raises(InvalidExport) as refused:
        import_sessions(
            manager, [*lines, json.dumps({"sessions": 1, "sha256": digest})]
        )

    assert str(refused.value).startswith(f"line 2: {field}: ")
    assert "secret" not in str(refused.value)
    assert manager.stats().sessions == 0
