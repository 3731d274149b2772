"""A proxy that fails is blamed for a page in a browser as it is for a fetch."""

from collections.abc import Callable

import pytest

from lab import Lab
from limpet.errors import FetchError
from proxies import Proxy
from tasks.blocks import Blocks
from tests.tasks.browser.conftest import Visitor
from tests.tasks.test_blame_table import TABLE

VisitorOn = Callable[[Proxy], Visitor]

#: Over TLS these need a certificate that a browser takes, which the lab has not.
_AFTER_TLS = ("cut", "cut-reset")


def failure(visitor: Visitor, url: str, timeout: float) -> FetchError:
    found = visitor.once(url, timeout=timeout)
    if found.error is None:
        page = Blocks().judge(found.page)
        assert page.block, found
        return page.block.error()
    assert isinstance(found.error, FetchError), found.error
    return found.error


@pytest.mark.parametrize(
    ("mode", "scheme", "target"),
    [
        (mode, scheme, target)
        for mode in TABLE
        for scheme in ("http", "socks5h")
        for target in ("http", "https")
        if not (mode in _AFTER_TLS and target == "https")
    ],
)
def test_the_right_side_is_blamed(  # noqa: PLR0913, PLR0917 - a table
    visitor_on: VisitorOn,
    lab: Lab,
    trouble: dict[str, int],
    hostile: dict[str, int],
    mode: str,
    scheme: str,
    target: str,
) -> None:
    proxy = Proxy(scheme, "127.0.0.1", trouble[mode], "us3r", "S3cret")
    url = f"{target}://127.0.0.1:{hostile[target]}/long?token=S3cret"
    column = (2 if scheme.startswith("socks") else 0) or int(target == "https")
    slow = mode in {"hang", "mute"}

    if mode in _AFTER_TLS:
        url = f"{lab.site}/text/100000"

    error = failure(visitor_on(proxy), url, 1 if slow else 20)

    assert f"{error.blame} {error.kind}" == TABLE[mode][column], str(error)
    assert "S3cret" not in str(error) + repr(error)
