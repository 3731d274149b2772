"""What other websites get of Flower: nothing, under whatever name they come."""

from collections.abc import Iterator

import pytest

from limpet.settings import Settings
from tests.pages.site import Site, login, serving, with_options

#: Pages of Flower's and of ours, its API, and files.
PATHS = ["/tasks", "/workers", "/sessions", "/sessions/data", "/api/tasks", "/metrics"]
FILES = ["/limpet/limpet.js", "/static/js/flower.js"]


@pytest.fixture
def guarded(settings: Settings) -> Iterator[Site]:
    """A site with a login, which it has had from the beginning."""
    with with_options(basic_auth=["ada:pw"]), serving(settings) as site:
        yield site


@pytest.mark.parametrize("path", [*PATHS, *FILES])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:5555"])
def test_without_a_login_a_foreign_name_gets_nothing(
    site: Site, path: str, host: str
) -> None:
    answer = site.ask(path, headers={"Host": host})

    assert answer.status == 421
    assert answer.text.startswith("This Flower has no login")
    assert len(answer.text) < 200


@pytest.mark.parametrize("host", ["localhost:5555", "127.0.0.9", "[::1]:80"])
def test_a_name_of_this_machine_is_answered(site: Site, host: str) -> None:
    assert site.ask("/sessions", headers={"Host": host}).status == 200


def test_a_name_that_a_setting_has_is_answered(settings: Settings) -> None:
    named = settings.model_copy(update={"flower_hosts": "a.example, Flower.example"})

    with serving(named) as site:
        known = site.ask("/sessions", headers={"Host": "flower.example:443"})
        other = site.ask("/sessions", headers={"Host": "b.example"})

    assert (known.status, other.status) == (200, 421)


def test_with_a_login_any_name_is_answered(guarded: Site) -> None:
    headers = {"Host": "flower.example"}

    assert guarded.ask("/sessions", headers=headers).status == 401
    assert guarded.ask("/sessions", headers={**headers, **login()}).status == 200


@pytest.mark.parametrize("path", ["/", "/tasks", "/sessions", "/nowhere"])
def test_no_page_is_shown_in_a_frame(site: Site, path: str) -> None:
    assert site.ask(path).headers.get_list("X-Frame-Options") == ["DENY"]
