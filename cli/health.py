"""How everything is, for people and for scripts."""

import typer

from cli.command import AsJson
from cli.output import print_json, print_table, say


def health(*, as_json: AsJson = False) -> None:
    """Ask Redis, the broker, the database, workers and beat how they are.

    Ends with code 0 when all is healthy, 1 when something is degraded, 2 when it is
    down; what each check means is in docs/alerts.md.

    Example: [bold]python manage.py health[/]
    """
    from health.survey import Survey
    from limpet.settings import settings
    from tasks.celery import app

    report = Survey(settings(), app).see().report
    if as_json:
        print_json(report.as_json())
        raise typer.Exit(report.status.rank)
    rows = [
        {"check": one.id, "status": one.status.value, "what": one.text}
        for one in report.checks
    ]
    print_table(rows, whole={"check", "status"})
    say(f"\n{report.status.value}")
    for one in report.checks:
        if one.advice:
            say(f"  {one.id}: {one.advice}")
    raise typer.Exit(report.status.rank)
