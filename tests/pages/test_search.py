"""Sessions found by how their names begin, without ever looking for long."""

import pytest

from sessions import SessionManager, reads
from tests.pages.site import Seen, Site
from tests.pages.traffic import use


def names(page: Seen) -> list[str]:
    return [cells[0] for cells in page.rows("limpet-sessions")]


def test_sessions_are_found_by_how_their_names_begin(
    site: Site, manager: SessionManager
) -> None:
    use(manager, "user-1", "user-2", "other", "a.user")

    assert sorted(names(site.get("/sessions", search="user"))) == ["user-1", "user-2"]
    assert names(site.get("/sessions", search="other")) == ["other"]
    for text in ("*", "[a-z]", "u?er", "<script>"):
        none = site.get("/sessions", search=text)
        assert names(none) == []
        assert "No session begins so" in none.words


def test_a_search_that_finds_too_many_says_so(
    site: Site, manager: SessionManager
) -> None:
    use(manager, *(f"s-{n}" for n in range(120)))

    page = site.get("/sessions", search="s-")

    assert len(names(page)) == 100
    assert "100 and more found" in page.words


def test_a_search_that_takes_too_long_says_where_to_go_on(
    site: Site, manager: SessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "_FIND_TIME", 0.0)
    use(manager, *(f"s-{n}" for n in range(1500)), "user")

    found, path, looks = [], "/sessions?search=use", 0
    while path:
        page = site.get(path)
        found += names(page)
        looks += 1
        path = next(iter(page.find("//a[text()='Search on']/@href")), "")

    assert found == ["user"]
    assert looks > 1


def test_a_session_that_is_called_so_is_found_at_once(
    site: Site, manager: SessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "_FIND_TIME", 0.0)
    use(manager, *(f"s-{n}" for n in range(1500)), "user")

    assert "user" in names(site.get("/sessions", search="user"))
