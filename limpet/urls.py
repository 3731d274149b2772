"""What is wrong with a URL in the settings, said without repeating it.

A broker, a backend or a database would say so itself, but later, in a traceback, and
with the password.
"""

from collections.abc import Container
from typing import Annotated, Final
from urllib.parse import urlsplit

from kombu.transport import TRANSPORT_ALIASES
from pydantic import AfterValidator, SecretStr

_REDIS: Final = ("redis", "rediss", "unix")
SENTINEL: Final = "sentinel://"
_ENCODE: Final = (
    "a password with any of / ? # @ must be percent-encoded (/ is %2F, ? is %3F, "
    "# is %23, @ is %40)"
)


def _parse(url: str, schemes: Container[str], wanted: str) -> str:
    """Return the scheme, without a driver, if all of *url* makes sense."""
    scheme, sep, _ = url.partition("://")
    name = scheme.partition("+")[0]
    if not sep or name not in schemes:
        raise ValueError(f"must begin with {wanted}")
    try:
        parts = urlsplit(url)
    except ValueError:  # it may repeat what it does not like
        raise ValueError("the host is none") from None
    if "@" in parts.path + parts.query + parts.fragment:
        raise ValueError(_ENCODE)
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("the port must be a number from 0 to 65535") from None
    return name


def _sessions(secret: SecretStr) -> SecretStr:
    url = secret.get_secret_value()
    if url.startswith(SENTINEL):
        for one in url.split(";"):
            _parse(one, ("sentinel",), f"{SENTINEL}, each of them")
            _check_host(one, f"{SENTINEL}HOST:26379/0")
            _check_database(one)
        return secret
    name = _parse(url, _REDIS, "redis://, rediss://, unix:// or sentinel://")
    if name != "unix":
        _check_host(url, "redis://HOST:6379/0")
    _check_database(url)
    return secret


def _check_host(url: str, example: str) -> None:
    if not urlsplit(url).hostname:
        raise ValueError(f"the host is missing ({example})")


def _check_database(url: str) -> None:
    parts = urlsplit(url)
    database = parts.path.strip("/")
    if (
        parts.scheme in {"redis", "rediss", "sentinel"}
        and database
        and not database.isdigit()
    ):
        raise ValueError("what follows the port must be a database number, such as /0")


def check_broker(url: str) -> None:
    """See that Celery can use *url* as a broker.

    Raises:
        ValueError: it cannot; the text does not repeat it.
    """
    for one in url.split(";"):
        _parse(one, TRANSPORT_ALIASES, "redis://, rediss://, sentinel:// or amqp://")
        _check_database(one)


def check_results(url: str) -> None:
    """See that Celery can use *url* as a result backend.

    Raises:
        ValueError: it cannot; the text does not repeat it.
    """
    # Commands read the settings too, and wait for nothing else of Celery.
    from celery.app.backends import BACKEND_ALIASES  # noqa: PLC0415 - slow, seldom set

    if url not in BACKEND_ALIASES:  # such as rpc
        for one in url.split(";"):
            _parse(one, BACKEND_ALIASES, "redis://, rediss://, sentinel:// or rpc://")
            _check_database(one)


def _broker(secret: SecretStr) -> SecretStr:
    check_broker(secret.get_secret_value())
    return secret


def _results(secret: SecretStr) -> SecretStr:
    check_results(secret.get_secret_value())
    return secret


def _database(secret: SecretStr) -> SecretStr:
    url = secret.get_secret_value()
    scheme = url.partition("://")[0]
    if scheme.startswith("postgres") and scheme != "postgresql+psycopg":
        raise ValueError("for PostgreSQL it must begin with postgresql+psycopg://")
    if not scheme.startswith("sqlite"):
        _parse(url, (scheme.partition("+")[0],), "sqlite:/// or postgresql+psycopg://")
    return secret


def _artifacts(secret: SecretStr) -> SecretStr:
    url = secret.get_secret_value()
    if url.startswith("/"):
        return secret
    scheme, sep, _ = url.partition("://")
    parts = urlsplit(url)
    if (
        not sep
        or scheme not in {"file", "s3"}
        or (scheme == "s3") != bool(parts.netloc)
    ):
        raise ValueError("must be /a/folder, file:///a/folder or s3://bucket/prefix")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("credentials and options go into the environment (AWS_…)")
    return secret


SessionsUrl = Annotated[SecretStr, AfterValidator(_sessions)]
BrokerUrl = Annotated[SecretStr, AfterValidator(_broker)]
ResultsUrl = Annotated[SecretStr, AfterValidator(_results)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database)]
ArtifactsUrl = Annotated[SecretStr, AfterValidator(_artifacts)]
