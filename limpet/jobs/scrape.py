"""Jobs that fetch: one page, or many pages of one session."""

from typing import Annotated, Final

from pydantic import Field

from limpet.jobs.fetch import FetchJob
from limpet.jobs.fields import Url

#: URLs of one job. More would make a message and a result that nobody can look at; a
#: list of any length is sent as several jobs.
MAX_URLS: Final = 1000


class ScrapeJob(FetchJob):
    """One page through one session."""

    url: Url


class ScrapeManyJob(FetchJob):
    """Many pages of one session, one after the other over one kept connection.

    *delay* is in seconds, from the end of a page to the beginning of the next.
    """

    urls: Annotated[list[Url], Field(min_length=1, max_length=MAX_URLS)]
    delay: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0
