"""Sites whose certificate only an authority of the user's own has signed."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from limpet.errors import NoBrowser
from proxies import Proxy
from sessions import Lease
from tasks.browser import authorities
from tasks.browser.host import Host
from tests.tasks.browser.conftest import Visitor, settings

DIRECT = Proxy("direct", "", 0)


@pytest.fixture
def trusting(hostile: dict[str, int], ca_file: Path, tmp_path: Path) -> Iterator[Host]:
    """A browser that trusts the one authority of the hostile site."""
    assert hostile
    made = Host(settings(tmp_path, ca_file=ca_file))
    yield made
    made.close()


def test_a_browser_trusts_the_authorities_that_fetches_do(
    trusting: Host, lease_of: Callable[[Proxy], Lease], hostile: dict[str, int]
) -> None:
    visitor = Visitor(trusting, lease_of(DIRECT))

    good = visitor.once(f"https://127.0.0.1:{hostile['https']}/whoami")
    wrong = [
        visitor.once(f"https://127.0.0.1:{hostile[name]}/whoami").error
        for name in ("self-signed", "expired", "wrong-host")
    ]

    assert (good.error, good.page.status) == (None, 200)
    assert {getattr(error, "kind", error) for error in wrong} == {"certificate"}


def test_a_browser_that_was_told_of_none_trusts_them_not(
    visitor_on: Callable[..., Visitor], hostile: dict[str, int]
) -> None:
    found = visitor_on(DIRECT).once(f"https://127.0.0.1:{hostile['https']}/whoami")

    assert getattr(found.error, "kind", "") == "certificate"


@pytest.mark.usefixtures("hostile")
def test_workers_that_start_together_share_what_was_made(
    ca_file: Path, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(4) as threads:
        made = threads.map(lambda _: authorities.home(ca_file, tmp_path), range(4))

    assert len(set(made)) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_authorities_that_a_browser_cannot_be_told_of_are_no_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ca_file: Path, hostile: object
) -> None:
    assert hostile
    away = tmp_path / "authorities.py"
    text = Path(authorities.__file__).read_text("utf-8")
    away.write_text(text.replace("libnss3.so", "libnss3-is-away.so"), "utf-8")
    monkeypatch.setattr(authorities, "__file__", str(away))

    with pytest.raises(
        NoBrowser, match=r"LIMPET_CA_FILE: .*libnss3-is-away\.so cannot"
    ):
        Host(settings(tmp_path / "state", ca_file=ca_file))
