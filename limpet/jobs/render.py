"""Jobs in a browser: one page, and what is done in it."""

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from limpet.jobs.fields import Url
from limpet.jobs.session import SessionJob
from limpet.jobs.steps import MAX_STEPS, LoadState, Step, StepTimeout

#: Most that one page may bring, whatever a job asks for.
_MOST_BYTES: Final = 1024**3

ResourceType: TypeAlias = Literal[
    "image",
    "media",
    "font",
    "stylesheet",
    "script",
    "xhr",
    "fetch",
    "texttrack",
    "eventsource",
    "manifest",
    "other",
]


class Viewport(BaseModel):
    """The page's size in pixels."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    width: Annotated[int, Field(ge=240, le=3840)] = 1280
    height: Annotated[int, Field(ge=240, le=4320)] = 720


class RenderJob(SessionJob):
    """A page in a browser, through one session.

    *url* is opened, and is ready when *wait* says so; then *steps* are done, each
    within *step_timeout* seconds, all of it within *timeout*. *extract* is for the page
    as it is in the end. *max_bytes* bounds what comes through the proxy. Requests of
    the types in *block* are not made; *headers* go to the origin of *url* alone.

    *user_agent* is for a session that has none yet, and then for its `scrape` jobs too.
    *dialogs* says what the page's questions are answered. A job that is to be done
    *once* is not tried again when the browser or the connection broke after its first
    step that acts.
    """

    url: Url
    steps: Annotated[list[Step], Field(max_length=MAX_STEPS)] = Field(default=[])
    wait: LoadState = "load"
    viewport: Viewport = Viewport()
    locale: (
        Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")] | None
    ) = None
    timezone: (
        Annotated[
            str, Field(pattern=r"^[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}$")
        ]
        | None
    ) = None
    user_agent: Annotated[str, Field(pattern=r"^[ -~]{1,256}$")] | None = None
    block: Annotated[list[ResourceType], Field(max_length=11)] = Field(default=[])
    dialogs: Literal["dismiss", "accept"] = "dismiss"
    step_timeout: StepTimeout | None = None
    max_bytes: Annotated[int, Field(ge=1, le=_MOST_BYTES)] | None = None
    once_only: bool = Field(default=False, alias="once")

    @property
    def why_once(self) -> str:
        return "its steps have begun, and are to be done once" if self.once_only else ""
