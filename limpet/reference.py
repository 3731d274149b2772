"""The page that lists every setting."""

from pathlib import Path

from limpet.settings import ROOT, bounds, variables


def reference() -> str:
    """Return the page `docs/settings.md`: every variable, default, bounds, meaning."""
    rows = []
    for name, field in variables().items():
        default = field.default
        if isinstance(default, Path):
            default = default.relative_to(ROOT)
        shown = "unset" if default is None or default == "" else f"`{default!s}`"
        rows.append(f"| `{name}` | {shown} | {bounds(field)} | {field.description} |")
    head = (
        "# Settings\n\nMade by `python manage.py settings --markdown`. Set them in the "
        "environment or in `.env`.\n\n| variable | default | allowed | what it does |\n"
        "| --- | --- | --- | --- |\n"
    )
    return head + "\n".join(rows)
