"""The page about jobs, for apps in any language: `docs/jobs.md` is made here."""

import json
from pathlib import Path
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema

from limpet.jobs.fields import Job
from limpet.jobs.render import RenderJob
from limpet.jobs.scrape import ScrapeJob, ScrapeManyJob
from limpet.names import RENDER, SCRAPE, SCRAPE_MANY

_KINDS: Final[dict[str, type[Job]]] = {
    SCRAPE: ScrapeJob,
    SCRAPE_MANY: ScrapeManyJob,
    RENDER: RenderJob,
}

_HEAD: Final = Path(__file__).with_suffix(".md")


class _Untitled(GenerateJsonSchema):
    """Without a title for each field, which says its name once more."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic's
        return False


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each job by the name of its task."""
    return {
        name: kind.model_json_schema(schema_generator=_Untitled)
        for name, kind in _KINDS.items()
    }


def reference() -> str:
    """Return the page, in Markdown."""
    parts = [_HEAD.read_text("utf-8")]
    for name, schema in schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False)
        parts.append(f"## Schema of `{name}`\n\n```json\n{text}\n```\n")
    return "\n".join(parts)
