"""Pages are read as browsers read them, whatever charset they claim to have."""

import pkgutil
from encodings import __path__ as codecs_of_python
from encodings.aliases import aliases

import pytest

from limpet.jobs import BlockRules
from tasks.blocks import Blocks
from tasks.page import Page

#: Each codec that Python has, by each of its names.
CODECS = sorted(
    {
        *aliases,
        *aliases.values(),
        *(one.name for one in pkgutil.iter_modules(codecs_of_python)),
    }
)


def page(body: bytes, content_type: str = "text/html") -> Page:
    return Page(
        url="http://shop.test/",
        status=200,
        headers={"content-type": content_type},
        body=body,
    )


@pytest.mark.parametrize("said", ["header", "meta"])
def test_no_codec_of_python_breaks_a_page(said: str) -> None:
    rest = b"\xc3\xa9t\xc3\xa9 \xff\xfe \\ud800 \\N{x} xn--a-ecp +AGE- -zz9"
    broken = []
    for codec in CODECS:
        meta = f"<meta charset='{codec}'>".encode() if said == "meta" else b""
        named = f"; charset={codec}" if said == "header" else ""

        try:
            # Half of a surrogate pair would stop whoever writes it down.
            page(meta + rest, f"text/html{named}").text().encode()
        except (LookupError, UnicodeError):
            broken.append(codec)

    assert broken == []


@pytest.mark.parametrize("codec", ["idna", "rot13", "unicode_escape", "base64"])
def test_a_charset_that_browsers_do_not_know_is_none(codec: str) -> None:
    found = page("naïf \\u0041".encode(), f"text/html; charset={codec}")

    assert found.text() == "naïf \\u0041"


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        ("utf-16", "Šárka".encode("utf-16-le")),
        ("UTF-16", b"\xfe\xff" + "Šárka".encode("utf-16-be")),
        ("utf-16", b"\xff\xfe" + "Šárka".encode("utf-16-le")),
        ("utf-16be", "Šárka".encode("utf-16-be")),
        ("utf-16le", b"\xfe\xff" + "Šárka".encode("utf-16-be")),
    ],
)
def test_utf_16_has_its_low_byte_first_unless_its_mark_says_otherwise(
    charset: str, body: bytes
) -> None:
    assert page(body, f"text/html; charset={charset}").text() == "Šárka"


@pytest.mark.parametrize("charset", ["utf-16", "utf-16be", "utf-16le"])
def test_a_page_that_says_in_single_bytes_that_it_is_utf_16_is_none(
    charset: str,
) -> None:
    found = page(f"<meta charset={charset}>Šárka".encode())

    assert found.text().endswith("Šárka")


@pytest.mark.timeout(20)
def test_a_page_in_punycode_does_not_stop_a_worker() -> None:
    # Python's own takes the square of its length: minutes for this one.
    found = page(b"-" + b"a9" * 1_000_000, "text/html; charset=punycode")

    assert len(found.text()) == 2_000_001


def test_a_charset_that_is_none_hides_no_block() -> None:
    found = page(b"please come back", "text/html; charset=base64")

    judged = Blocks().judge(found, BlockRules(substrings=("come back",)))

    assert judged.block is not None
