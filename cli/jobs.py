"""What jobs may ask for, for people and for programs."""

from typing import Annotated

import typer

from cli.command import AsJson
from cli.output import print_json, print_table


def show_jobs(
    *,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print docs/jobs.md.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the jobs and their fields; with --json, as JSON Schemas.

    Example: [bold]python manage.py jobs --json[/]
    """
    from limpet.jobs.reference import reference, schemas

    if markdown:
        print(reference(), end="")  # noqa: T201 - goes into a file
        return
    found = schemas()
    if as_json:
        print_json(found)
        return
    rows: dict[str, dict[str, str]] = {}
    for job, schema in found.items():
        for name, field in schema["properties"].items():
            row = rows.setdefault(name, {"field": name, "default": "", "jobs": job})
            if row["jobs"] != job:
                row["jobs"] = "all"
            needed = name in schema.get("required", ())
            row["default"] = "needed" if needed else str(field.get("default", ""))
    print_table(list(rows.values()), whole=("field",))
