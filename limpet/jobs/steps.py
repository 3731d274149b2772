"""What a job does in a page, step by step."""

import re
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from limpet.jobs.extraction import Rules
from limpet.jobs.fields import Url

#: Steps of one job: beyond that it is a program, which belongs to the app.
MAX_STEPS: Final = 100
#: Characters of a script; what is longer belongs into the page.
_SCRIPT_MAX: Final = 20_000
_TEXT_MAX: Final = 10_000

LoadState: TypeAlias = Literal["load", "domcontentloaded", "networkidle"]
#: CSS, or what Playwright knows besides: ``text=``, ``xpath=``, ``role=``.
Selector = Annotated[str, Field(min_length=1, max_length=1000)]
#: What a value or a file of the result is called.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
StepTimeout = Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)]


class _Step(BaseModel):
    """A step has *timeout* seconds, or as many as the job says."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    timeout: StepTimeout | None = None

    @property
    def target(self) -> str:
        """What it looks for, in a form that is fit for errors."""
        return ""


class _AtElement(_Step):
    selector: Selector

    @property
    def target(self) -> str:
        return self.selector


class Goto(_Step):
    """Go to another page, and wait until it is ready."""

    do: Literal["goto"]
    url: Url
    wait: LoadState = "load"


class Click(_AtElement):
    do: Literal["click"]


class Fill(_AtElement):
    """Write *value* into a field, in place of what is there."""

    do: Literal["fill"]
    value: Annotated[str, Field(max_length=_TEXT_MAX, repr=False)]


class Press(_Step):
    """Press a key such as ``Enter`` or ``Control+A``, at an element if one is named."""

    do: Literal["press"]
    key: Annotated[str, Field(min_length=1, max_length=40)]
    selector: Selector | None = None

    @property
    def target(self) -> str:
        return self.selector or self.key


class Select(_AtElement):
    """Choose options by their values, or by what they are called."""

    do: Literal["select"]
    values: Annotated[
        list[Annotated[str, Field(max_length=1000)]], Field(min_length=1, max_length=50)
    ] = Field(repr=False)


class Wait(_Step):
    """Wait for one thing: an element, a text, an address, or the page to be ready.

    *state* is the element's; *url* is a pattern in which ``*`` stands for anything but
    ``/``, ``**`` for anything, and ``{a,b}`` for one of these.
    """

    do: Literal["wait"]
    selector: Selector | None = None
    state: Literal["visible", "hidden", "attached", "detached"] = "visible"
    text: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    url: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    load: LoadState | None = None

    @model_validator(mode="after")
    def _for_one_thing(self) -> Self:
        wanted = (self.selector, self.text, self.url, self.load)
        if sum(one is not None for one in wanted) != 1:
            raise ValueError("must have one of selector, text, url and load")
        return self

    @field_validator("url")
    @classmethod
    def _in_pairs(cls, url: str | None) -> str | None:
        # Of a backslash and what follows it, neither counts.
        braces = re.sub(r"\\.|[^{}]", "", url or "", flags=re.DOTALL)
        if braces.replace("{}", ""):
            raise ValueError("must have its { and } in pairs, none within another one")
        return url

    @property
    def target(self) -> str:
        if self.url:
            return self.url.partition("?")[0]
        return self.selector or self.text or self.load or ""


class Scroll(_Step):
    """Scroll to an element, or to the end of the page so many *times*.

    Between two times the page has *pause* seconds to fetch more.
    """

    do: Literal["scroll"]
    selector: Selector | None = None
    times: Annotated[int, Field(ge=1, le=100)] = 1
    pause: Annotated[float, Field(ge=0, le=30, allow_inf_nan=False)] = 0.5

    @property
    def target(self) -> str:
        return self.selector or "the end"


class Evaluate(_Step):
    """Run a script in the page; its value, JSON, is in the result under *name*.

    Only where ``LIMPET_RENDER_ALLOW_JS`` says so.
    """

    do: Literal["evaluate"]
    script: Annotated[str, Field(min_length=1, max_length=_SCRIPT_MAX, repr=False)]
    name: Name | None = None


class Extract(_Step):
    """Take data out of the page as it is now."""

    do: Literal["extract"]
    rules: Rules


class Screenshot(_Step):
    """Keep a picture (PNG): of what is seen, of an element, or of the *full* page."""

    do: Literal["screenshot"]
    name: Name = "screenshot"
    selector: Selector | None = None
    full: bool = False

    @property
    def target(self) -> str:
        return self.selector or ""

    @model_validator(mode="after")
    def _of_one_thing(self) -> Self:
        if self.full and self.selector is not None:
            raise ValueError("full and selector cannot be together")
        return self


class Pdf(_Step):
    do: Literal["pdf"]
    name: Name = "page"


class Html(_Step):
    """Keep the page's HTML as it is now."""

    do: Literal["html"]
    name: Name = "page"


Step = Annotated[
    Goto
    | Click
    | Fill
    | Press
    | Select
    | Wait
    | Scroll
    | Evaluate
    | Extract
    | Screenshot
    | Pdf
    | Html,
    Field(discriminator="do"),
]
#: Those that may change something at the site.
ACTS: Final = (Click, Fill, Press, Select, Evaluate)
