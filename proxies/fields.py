"""The fields of a proxy as files name and write them, read into a record and back."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from limpet.errors import InvalidProxy
from proxies.proxy import Proxy, parse_proxy, proxy_of
from proxies.record import ProxyRecord

#: What files call a field. Case does not matter, a space or ``-`` is as good as ``_``.
_NAMES: Final = {
    "url": ("url", "proxy", "server"),
    "scheme": ("scheme", "protocol"),
    "host": ("host", "hostname", "ip"),
    "port": ("port",),
    "username": ("username", "user", "login"),
    "password": ("password", "pass"),
    "country": ("country", "country_code"),
    "region": ("region",),
    "city": ("city",),
    "asn": ("asn",),
    "tags": ("tags",),
    "weight": ("weight",),
    "max_concurrency": ("max_concurrency",),
    "provider": ("provider",),
    "enabled": ("enabled",),
    "expires": ("expires",),
}
_FIELDS: Final = {name: field for field, names in _NAMES.items() for name in names}
#: Fields that say which proxy it is; one of these has to be there.
PLACES: Final = frozenset({"url", "host"})
#: Fields that say something about the proxy: those a `ProxyRecord` has beside it.
ABOUT: Final = frozenset(_NAMES) - {
    *("url", "scheme", "host", "port", "username", "password")
}
_SEPARATORS: Final = re.compile(r"[;|,]")
_WORDS: Final = {
    **dict.fromkeys(("", "true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def field_of(name: str) -> str | None:
    """Return the field that a file means by *name*, `None` when we have none such."""
    return _FIELDS.get(re.sub(r"[ -]", "_", name.strip().lower()))


def record_of(row: Mapping[str, object]) -> ProxyRecord:
    """Read a row, column name to text or JSON value; unknown columns are left out.

    A date without a time zone is UTC.

    Raises:
        InvalidProxy: naming the field that is wrong, never repeating its value.
    """
    fields: dict[str, object] = {}
    for name, value in row.items():
        field = field_of(name)
        # Of two columns for one field the first that is filled in counts.
        if field is not None and value is not None and value != "":
            fields.setdefault(field, value)
    return ProxyRecord(
        proxy=_proxy(fields),
        country=_text(fields, "country").upper(),
        region=_text(fields, "region"),
        city=_text(fields, "city"),
        asn=_asn(fields),
        tags=_tags(fields),
        weight=_weight(fields),
        max_concurrency=_whole(fields, "max_concurrency") or 0,
        provider=_text(fields, "provider"),
        enabled=_enabled(fields),
        expires=_expires(fields),
    )


def _proxy(fields: Mapping[str, object]) -> Proxy:
    scheme = _text(fields, "scheme")
    username, password = _literal(fields, "username"), _literal(fields, "password")
    url = _text(fields, "url")
    if not url:
        if "host" not in fields:
            raise InvalidProxy("neither url nor host is there")
        host, port = _text(fields, "host"), _text(fields, "port")
        return proxy_of(
            scheme=scheme, host=host, port=port, username=username, password=password
        )
    found = parse_proxy(url)
    return proxy_of(
        scheme=scheme if scheme and "://" not in url else found.scheme,
        host=found.host,
        port=str(found.port),
        username=found.username or username,
        password=found.password or password,
    )


def _literal(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name, "")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidProxy(f"{name} must be text")
    return str(value)


def _text(fields: Mapping[str, object], name: str) -> str:
    return _literal(fields, name).strip()


def _whole(fields: Mapping[str, object], name: str, text: str = "") -> int | None:
    text = text or _text(fields, name)
    if not text:
        return None
    # int() would take 1_000, and digits that nobody typed on purpose.
    if not re.fullmatch(r"[0-9]{1,10}", text):
        raise InvalidProxy(f"{name} must be a whole number")
    return int(text)


def _asn(fields: Mapping[str, object]) -> int | None:
    return _whole(fields, "asn", _text(fields, "asn").upper().removeprefix("AS"))


def _tags(fields: Mapping[str, object]) -> tuple[str, ...]:
    value = fields.get("tags", ())
    if isinstance(value, str):
        value = _SEPARATORS.split(value)
    if not isinstance(value, list | tuple):
        raise InvalidProxy("tags must be a list of words")
    if not all(isinstance(tag, str) for tag in value):
        raise InvalidProxy("tags must be a list of words")
    words = {tag.strip().lower() for tag in value}
    return tuple(sorted(words - {""}))


def _weight(fields: Mapping[str, object]) -> float:
    value = fields.get("weight", 1.0)
    try:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return float(value)
    except (ValueError, OverflowError):
        pass  # said below, for a list and the like as well
    raise InvalidProxy("weight must be a number")


def _enabled(fields: Mapping[str, object]) -> bool:
    value = str(fields.get("enabled", "")).strip().lower()
    if value not in _WORDS:
        raise InvalidProxy("enabled must be true or false")
    return _WORDS[value]


def _expires(fields: Mapping[str, object]) -> datetime | None:
    text = _text(fields, "expires")
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        aware = found if found.tzinfo else found.replace(tzinfo=UTC)
        return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidProxy(
            "expires must be a date and time, such as 2030-12-31T23:59:00Z"
        ) from None


def row_of(record: ProxyRecord, *, passwords: bool) -> dict[str, object]:
    """Return *record* as JSON values by field name, the inverse of `record_of`.

    Without *passwords* the user name is left out with them: some providers take a
    secret key there.
    """
    bare = replace(record.proxy, username="", password="")
    return {
        "url": (record.proxy if passwords else bare).url,
        "country": record.country,
        "region": record.region,
        "city": record.city,
        "asn": record.asn,
        "tags": list(record.tags),
        "weight": record.weight,
        "max_concurrency": record.max_concurrency,
        "provider": record.provider,
        "enabled": record.enabled,
        "expires": record.expires.isoformat() if record.expires else None,
    }
