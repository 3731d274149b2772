"""Proxies from files, into files, and from SQL into Redis."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from cli import files
from cli.command import AsJson, PoolName, Yes, fail, misuse, opened
from cli.output import confirm, count, print_json, progress, say, warn
from limpet.errors import StoreUnavailable

if TYPE_CHECKING:
    from cli.pool import Pool
    from proxies.sources import Import

#: Bad lines shown after an import; the rest are counted.
_SHOWN: Final = 20

Form = Literal["lines", "csv", "json", "jsonl"]
Source = Annotated[
    typer.FileText,
    typer.Argument(
        help="File, or - for standard input.",
        metavar="FILE",
        encoding="utf-8-sig",
        errors="replace",
    ),
]


def import_proxies(
    file: Source,
    *,
    pool: PoolName = "default",
    form: Annotated[
        Form | None, typer.Option("--format", help="If it is not told rightly.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would happen.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add the proxies of a file: a URL, host:port or host:port:user:password a line.

    CSV with a header, JSON and JSON Lines are read too. A line that cannot be read is
    reported and skipped. Importing again renews passwords.

    Example: [bold]python manage.py proxies import proxies.txt --dry-run[/]
    """
    from proxies.formats import Format
    from proxies.sources import read

    place = opened(pool)
    _refuse_direct(place)
    with progress("reading") as told:
        found = read(file, form=Format(form) if form else None, progress=told)
    new = _would_be_new(place, found) if dry_run else _add(place, found)
    told_of = _summary(place, found, new, dry_run=dry_run)
    if as_json:
        print_json(told_of)
    else:
        _tell(found)
        would = "would be " if dry_run else ""
        say(
            f"{count(len(found.records), 'proxy')} {would}in pool {pool}: {new:,} new, "
            f"{told_of['known_before']:,} known before, {found.repeats:,} repeated, "
            f"{count(len(found.bad), 'bad line')} skipped"
            + ("; nothing was written" if dry_run else "")
        )
    if not found.records:
        fail("the file names no proxy that can be used")


def export_proxies(
    *,
    pool: PoolName = "default",
    form: Annotated[
        Form | None,
        typer.Option("--format", help="If not as the file's name ends, or csv."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File; if none, or -, standard output.")
    ] = None,
    with_passwords: Annotated[
        bool, typer.Option("--with-passwords", help="User names and passwords too.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Write the proxies of a pool as a file that `proxies import` reads.

    Credentials are left out unless asked for; a file that has them is readable by its
    owner alone. Lines hold the URLs only, the other formats everything.

    Example: [bold]python manage.py proxies export --out proxies.csv[/]
    """
    from proxies.export import write
    from proxies.formats import Format

    out = files.named(out)
    if as_json and out is None and form not in {None, "json"}:
        misuse(f"--json prints JSON: leave it out for --format {form}")
    if out:
        files.may_write(out, yes=yes)
    place = opened(pool)
    _refuse_direct(place)
    chosen = Format(form or ("json" if as_json and not out else _form_of(out)))
    records = place.inventory()
    lines = write(records, chosen, passwords=with_passwords)
    bare = sum(bool(one.proxy.username or one.proxy.password) for one in records)
    if bare and not with_passwords:
        # Without its user name a proxy is another one, and will be refused.
        warn(
            f"the credentials of {count(bare, 'proxy')} are left out: this is no "
            "backup, --with-passwords makes one"
        )
    if out is None:
        _print(lines)
        return
    files.write(out, lines, secret=with_passwords)
    if as_json:
        print_json({"file": str(out), "format": chosen.value, "proxies": len(records)})
        return
    what = "with" if with_passwords else "without"
    say(f"{count(len(records), 'proxy')} in {out}, {what} credentials")


def publish(
    *, pool: PoolName = "default", yes: Yes = False, as_json: AsJson = False
) -> None:
    """Fill Redis from the inventory, as after a Redis that lost its data.

    Safe to repeat: health, turns and sessions are kept. Proxies that Redis has and the
    inventory has not are removed if you say yes, as with rm.

    Example: [bold]python manage.py proxies publish[/]
    """
    place = opened(pool)
    records = place.inventory()
    with progress("publishing") as told:
        new = place.publish(records, progress=told)
    if not as_json:
        there = count(len(records), "proxy")
        say(f"{there} of pool {pool} published, {new:,} new to Redis")
    retired = _retire(place, yes=yes)
    if as_json:
        print_json(
            {"pool": pool, "proxies": len(records), "new": new, "removed": retired}
        )
    elif retired:
        say(f"{count(retired, 'proxy')} removed")


def _retire(pool: "Pool", *, yes: bool) -> int:
    if not (strangers := pool.strangers()):
        return 0
    # Asked, since this may be the wrong database, and Redis in use by workers.
    confirm(
        f"Redis has {count(len(strangers), 'proxy')} that the inventory of pool "
        f"{pool.name} has not. Remove from Redis?",
        yes=yes,
    )
    with progress("removing") as told:
        return pool.retire(strangers, progress=told)


def _refuse_direct(pool: "Pool") -> None:
    if pool.direct:
        fail(f"pool {pool.name} goes out without a proxy: LIMPET_DIRECT_POOLS names it")


def _would_be_new(pool: "Pool", found: "Import") -> int:
    return len({record.id for record in found.records} - pool.known())


def _add(pool: "Pool", found: "Import") -> int:
    with progress("saving") as told:
        new = pool.add(found.records, fields=found.stated, progress=told)
    try:
        # All of them: so an import also fills a Redis that has lost its data.
        with progress("publishing") as told:
            pool.publish(pool.inventory(), progress=told)
    except (StoreUnavailable, KeyboardInterrupt):
        warn(
            f"{count(len(found.records), 'proxy')} saved, but not all of them are in "
            f"Redis yet: python manage.py proxies publish --pool {pool.name}"
        )
        raise
    return new


def _summary(
    pool: "Pool", found: "Import", new: int, *, dry_run: bool
) -> dict[str, Any]:
    return {
        "pool": pool.name,
        "format": found.form.value,
        "proxies": len(found.records),
        "new": new,
        "known_before": len(found.records) - new,
        "repeated": found.repeats,
        "bad": [{"line": bad.number, "reason": bad.reason} for bad in found.bad],
        "unknown_columns": list(found.unknown),
        "dry_run": dry_run,
    }


def _tell(found: "Import") -> None:
    if found.unknown:
        warn(f"unknown columns left out: {', '.join(found.unknown)}")
    for bad in found.bad[:_SHOWN]:
        warn(f"line {bad.number}: {bad.reason}")
    if len(found.bad) > _SHOWN:
        warn(f"and {len(found.bad) - _SHOWN:,} more bad lines; --json lists all")


def _form_of(path: Path | None) -> str:
    ends = {".txt": "lines", ".csv": "csv", ".json": "json", ".jsonl": "jsonl"}
    return ends.get(path.suffix.lower(), "csv") if path else "csv"


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, end="")  # noqa: T201 - a file's text, as it is
