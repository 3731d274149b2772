"""Where a session was last is kept so that it can be shown anywhere."""

import pytest

from sessions.place import place


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://me:pw@shop.test/a?token=x#y", "https://shop.test/a"),
        ("https://shop.test/a b", "https://shop.test/a%20b"),
        ("https://shop.test/\x1b[31m\x00\x7f", "https://shop.test/%1B[31m%00%7F"),
        ("https://shop.test/\u2028\x85", "https://shop.test/%E2%80%A8%C2%85"),
        ("https://shop.test/\ud800", "https://shop.test/%3F"),
        ("https://shop.test/ü", "https://shop.test/ü"),
        ("https://shop.test/" + " " * 99, "https://shop.test/" + "%20" * 15 + "%"),
        ("no address", ""),
    ],
)
def test_a_place_has_neither_secrets_nor_what_breaks_a_line(
    url: str, kept: str
) -> None:
    assert place(url) == kept
