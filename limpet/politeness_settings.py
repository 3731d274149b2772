"""The settings of limits per domain and of robots.txt; see `limpet.settings`."""

from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic_settings import BaseSettings, NoDecode

Rate = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]
Many = Annotated[int, Field(ge=0, le=10_000)]


class DomainLimit(BaseModel):
    """Requests a second, after a *burst*, and requests at a time; 0 is any number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate: Rate = 0
    concurrency: Many = 0
    burst: Annotated[int, Field(ge=1, le=10_000)] = 1


_Domain = Annotated[str, Field(pattern=r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$|^[0-9a-f:]+$")]
_LIMITS: Final[TypeAdapter[dict[str, DomainLimit]]] = TypeAdapter(
    dict[_Domain, DomainLimit]
)


def _parse(given: object) -> Any:
    try:
        if isinstance(given, str):
            return _LIMITS.validate_json(given)
        return _LIMITS.validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "[key]")
        raise ValueError(
            'must be JSON such as {"example.com": {"rate": 2, "concurrency": 4}}: '
            f"{where and where + ': '}{first['msg']}"
        ) from None


class PolitenessSettings(BaseSettings):
    """How much of a site all workers together ask for."""

    domain_rate: Rate = Field(
        default=0,
        description="Requests a second to one domain, by all workers; 0: any number.",
    )
    domain_concurrency: Many = Field(
        default=0,
        description="Requests at a time to one domain, by all workers; 0: any number.",
    )
    domain_limits: Annotated[
        dict[str, DomainLimit], NoDecode, BeforeValidator(_parse)
    ] = Field(
        default={},
        description="Limits of domains and their subdomains, as JSON: "
        '{"example.com": {"rate": 2, "concurrency": 4, "burst": 1}}.',
    )
    domain_jitter: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="By up to how much longer requests are apart than the rate says.",
    )
    domain_longest_pause_seconds: float = Field(
        default=600,
        ge=0,
        le=86_400,
        description="Longest Retry-After that all workers honour; 0: none.",
    )
    domain_longest_crawl_delay_seconds: float = Field(
        default=60,
        ge=0,
        le=3600,
        description="Longest Crawl-delay of a robots.txt that is honoured; 0: none.",
    )
    robots_ttl_seconds: float = Field(
        default=3600,
        ge=1,
        le=86_400,
        description="How long a robots.txt counts before it is fetched again.",
    )
    robots_user_agent: str | None = Field(
        default=None,
        pattern=r"^[ -~]{1,256}$",
        description="Whom robots.txt is read for; unset: LIMPET_USER_AGENT.",
    )
