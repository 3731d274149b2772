"""What the inventory knows of one proxy, beyond how to reach it."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from limpet.errors import InvalidProxy
from proxies.proxy import Proxy
from proxies.selection import where

_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_TAG: Final = re.compile(r"[a-z0-9_.-]{1,32}")
#: Names of places and providers; longer ones are a column that slipped.
TEXT_MAX: Final = 64
_ASN_MAX: Final = 2**32 - 1
_WEIGHT_MIN: Final = 0.01
_WEIGHT_MAX: Final = 1000.0
_CONCURRENCY_MAX: Final = 10_000
#: What commands may ask of a proxy that is enabled.
_MODES: Final = frozenset({"", "draining", "evacuating"})


@dataclass(frozen=True, slots=True)
class ProxyRecord:
    """One proxy of the inventory.

    *country* is an ISO 3166 code of two upper-case letters; *tags* are sorted and
    without repeats; *weight* is its share of new bindings beside the others of its
    pool; *max_concurrency* counts requests at a time, 0 is without a limit; from
    *expires* (aware) on it is not used. An empty text or `None` means not known.
    *mode* is what a command asked of it and no file says: ``draining``,
    ``evacuating``, or empty for everything.

    Raises:
        InvalidProxy: naming the field that is wrong, never repeating its value.
    """

    proxy: Proxy
    country: str = ""
    region: str = ""
    city: str = ""
    asn: int | None = None
    tags: tuple[str, ...] = ()
    weight: float = 1.0
    max_concurrency: int = 0
    provider: str = ""
    enabled: bool = True
    expires: datetime | None = None
    mode: str = ""

    def __post_init__(self) -> None:
        if self.country and not _COUNTRY.fullmatch(self.country):
            raise InvalidProxy("country must be two letters, such as DE")
        for name in ("region", "city", "provider"):
            if not _is_text(getattr(self, name)):
                raise InvalidProxy(f"{name} must be at most {TEXT_MAX} characters")
        if self.asn is not None and not 1 <= self.asn <= _ASN_MAX:
            raise InvalidProxy(f"asn must be a number from 1 to {_ASN_MAX}")
        if list(self.tags) != sorted(set(self.tags)) or not all(
            map(_is_tag, self.tags)
        ):
            raise InvalidProxy(
                "tags must be words of a-z, 0-9, _, . and -, at most 32 characters each"
            )
        self._check_limits()

    def _check_limits(self) -> None:
        # A comparison with NaN is false: it is refused here too.
        if not _WEIGHT_MIN <= self.weight <= _WEIGHT_MAX:
            raise InvalidProxy(
                f"weight must be a number from {_WEIGHT_MIN} to {_WEIGHT_MAX:g}"
            )
        if not 0 <= self.max_concurrency <= _CONCURRENCY_MAX:
            raise InvalidProxy(
                f"max_concurrency must be a number from 0 to {_CONCURRENCY_MAX}"
            )
        if self.expires is not None and self.expires.utcoffset() is None:
            raise InvalidProxy("expires must name its time zone")
        if self.mode not in _MODES:
            raise InvalidProxy("mode must be draining, evacuating or empty")

    @property
    def id(self) -> str:
        """The proxy's id: what else is known of it does not change who it is."""
        return self.proxy.id

    @property
    def labels(self) -> tuple[str, ...]:
        """What filters ask for, sorted: ``country:US``, ``tag:mobile``, ``asn:3320``.

        Fit for Redis keys: what is not a letter of ASCII, a digit, ``_``, ``.`` or
        ``-`` is ``_``; only the country has upper-case letters.
        """
        return where(
            country=self.country,
            region=self.region,
            city=self.city,
            asn=self.asn,
            provider=self.provider,
            tags=self.tags,
        )


def _is_tag(tag: str) -> bool:
    return _TAG.fullmatch(tag) is not None


def _is_text(text: str) -> bool:
    # Files give back what was written: no line break, no blank at the ends.
    return len(text) <= TEXT_MAX and text.isprintable() and text == text.strip()
