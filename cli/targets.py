"""The URLs that a command is given: as they are, in files, or from standard input."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import typer

from cli.command import complain, fail

#: Lines that are told of: of a million all may be wrong.
_TOLD: Final = 100
#: Characters of a file's name that are repeated.
_NAME_MAX: Final = 255


def is_one_page(targets: Sequence[str]) -> bool:
    """Whether *targets* are a single URL, and not a file of some."""
    return len(targets) == 1 and not _is_file(targets[0])


def read_urls(targets: Iterable[str]) -> list[str]:
    """Return all URLs in their order; empty lines, and those after a #, are none.

    The command ends if one cannot be fetched: each of them is told of, by its line.
    """
    from limpet.jobs import web_url
    from limpet.jobs.fields import URL_MAX

    urls, problems = [], []
    for where, url in (pair for one in targets for pair in _lines(one)):
        if len(url) > URL_MAX:
            problems.append(f"{where}: must be at most {URL_MAX:,} characters")
            continue
        try:
            urls.append(web_url(url))
        except ValueError as error:
            problems.append(f"{where}: {error}")
    if problems:
        complain(*problems[:_TOLD])
        if len(problems) > _TOLD:
            complain(f"and {len(problems) - _TOLD:,} more")
        complain("nothing was sent")
        raise typer.Exit(1)
    if not urls:
        fail("there is no URL")
    return urls


def _is_file(target: str) -> bool:
    return target == "-" or "://" not in target


def _named(target: str) -> str:
    """Return a file's name, unless it may be a URL that holds a secret."""
    return "what was given" if set(target) & set("@?") else target[:_NAME_MAX]


def _lines(target: str) -> list[tuple[str, str]]:
    """Return URLs and where each is; a URL that was typed is there by itself."""
    if not _is_file(target):
        return [("URL", target)]
    name = "standard input" if target == "-" else _named(target)
    try:
        text = (
            sys.stdin.read() if target == "-" else Path(target).read_text("utf-8-sig")
        )
    except FileNotFoundError:
        fail(f"{name}: no such file; a URL begins with http:// or https://")
    except OSError as error:
        fail(f"{name}: cannot be read ({error.strerror})")
    except UnicodeDecodeError:
        fail(f"{name}: is no text in UTF-8")
    return [
        (f"{name}:{number}", line.strip())
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
