"""One named pool of proxies."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from limpet.errors import ConfigurationError, LimpetError
from limpet.sealing import Sealer
from proxies.census import FIELDS, Census
from proxies.health import HealthPolicy, Standing, Tried
from proxies.proxy import Proxy, parse_proxy
from proxies.record import ProxyRecord
from proxies.store import ProxyStore

#: What a pool that is declared direct has for a proxy, so that all else is the same.
DIRECT: Final = ProxyRecord(Proxy("direct", "", 0))

#: For so long domains are counted that block a proxy; see ``lua/_ban.lua``.
_BANS_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class ProxyStatus:
    """How a proxy is doing.

    *state* is ``unknown``, ``healthy``, ``degraded``, ``unhealthy`` or ``dead``;
    ``unpublished`` when Redis does not know what the inventory has, ``damaged`` when
    what Redis has cannot be read: then nothing else is known. *mode* is empty, or
    what was asked of it: ``draining``, ``evacuating``, ``disabled``; or ``expired``.
    *due* is the seconds left of its cool-down. *fails* counts failures in a row.
    *started*, *done*, *inflight* and *faults* count requests, *sessions* those bound to
    it. *success* is 0 to 1 and *response_ms* an average, both with the newest request
    weighing most. *recent* and *recent_faults* count in the last window, *bans* the
    domains that began to block it within an hour.
    """

    record: ProxyRecord
    state: str
    mode: str
    due: float
    fails: float
    sessions: int
    inflight: int
    started: int
    done: int
    faults: int
    success: float
    response_ms: float
    recent: int
    recent_faults: int
    bytes: int
    bans: int

    @property
    def proxy(self) -> Proxy:
        return self.record.proxy


class ProxyPool:
    """The proxies of one pool; which one a session gets is decided in Redis."""

    def __init__(
        self,
        store: ProxyStore,
        *,
        sealer: Sealer | None = None,
        health: HealthPolicy | None = None,
        direct: bool = False,
    ) -> None:
        """*direct* pools go out without a proxy; no other pool ever does."""
        self._store = store
        self.direct = direct
        self._sealer = sealer or Sealer(())
        self._health = health or HealthPolicy()
        self._known: dict[str, tuple[str, Proxy]] = {}

    def publish(self, records: Sequence[ProxyRecord], *, anew: bool = False) -> int:
        """Copy *records* from the inventory to Redis; return how many were new.

        Safe to repeat: a proxy's health, turn and sessions are kept; with another
        password a dead one is tried at once. What may be done with a proxy is from
        then on what its record says. With *anew* every URL is sealed under the
        first key, not only those that have changed.
        """
        urls = [(record.proxy.url, "") for record in records]
        if self._sealer.active:
            held = self._store.urls([record.id for record in records])
            urls = [
                self._sealed(record.proxy.url, text, anew=anew)
                for record, text in zip(records, held, strict=True)
            ]
        return self._store.publish(
            _row(record, *pair) for record, pair in zip(records, urls, strict=True)
        )

    def require_proxies(self) -> None:
        """See that no shard is without proxies while others have some.

        Raises:
            ConfigurationError: one is; see `limpet.shards`.
        """
        self._store.require_proxies()

    def _sealed(self, url: str, held: str | None, *, anew: bool) -> tuple[str, str]:
        """Return *url* sealed, and the text in Redis if that says the same.

        Sealed twice, a URL gives two texts; only opened it is known whether the
        password is another one, for which dead proxies are tried at once.
        """
        same = held if held is not None and self._opens_to(held, url) else ""
        if same and same != url and not anew:
            return same, same
        return self._sealer.seal(url), same

    def _opens_to(self, held: str, url: str) -> bool:
        try:
            return self._sealer.open(held) == url
        except ConfigurationError:
            return False  # sealed under a key that is gone: nobody can tell

    def get(self, proxy_id: str, version: str) -> Proxy:
        """Return the proxy that an acquire named; asked of Redis once a version."""
        held, known = self._known.get(proxy_id, ("", None))
        if known is None or held != version:
            [url] = self._store.urls([proxy_id])
            if url is None:
                raise LimpetError(f"proxy {proxy_id} was removed a moment ago")
            known = self._read(self._sealer.open(url))
            self._known[proxy_id] = (version, known)
        return known

    def _read(self, url: str) -> Proxy:
        if url != DIRECT.proxy.url:
            return parse_proxy(url)
        if self.direct:
            return DIRECT.proxy
        raise ConfigurationError(
            "LIMPET_DIRECT_POOLS: this pool went out without a proxy before and is no "
            f"longer named there; remove its proxy {DIRECT.id} first"
        )

    def knows(self, proxy_id: str) -> bool:
        """Whether Redis knows a proxy, whatever the inventory says."""
        [row] = self._store.live([proxy_id])
        return bool(row)

    def build(self, index: str) -> None:
        """Make the index ready that an acquire asked for."""
        self._store.build(index)

    def set_mode(self, proxy_id: str, mode: str) -> bool:
        """Say what may be done with a proxy; False when Redis knows no such one.

        *mode* is empty for everything, ``draining`` (keeps its sessions, gets no new
        ones), ``evacuating`` or ``disabled`` (its sessions move at their next use) or
        ``removed`` (forgotten once nothing refers to it).
        """
        return self._store.set_mode(proxy_id, mode)

    def strangers(
        self, known: Callable[[Collection[str]], Collection[str]]
    ) -> list[str]:
        """Return the proxies in Redis that are not *known*.

        Not those that were removed and wait for their last session or lease.

        *known* says which of some ids the inventory has. It is asked after Redis:
        whoever adds a proxy tells the inventory first. For commands, not for jobs.
        """
        found = set(self._store.ids())
        ids = sorted(found.difference(known(found)))
        rows = zip(ids, self._store.live(ids), strict=True)
        return [one for one, row in rows if row and not _waits(row)]

    def census(self, most: int) -> Census:
        """Count the proxies in Redis by state, of up to *most* usable and cooling ones.

        Those that may not be chosen for another reason are the inventory's to count.
        """
        return Census.of(self._store.sample(most, FIELDS))

    def probes(
        self, token: str, *, most: int, hold: float, again: float
    ) -> list[tuple[str, str]]:
        """Return id and version, for `get`, of up to *most* proxies to be tried now.

        A cooling one that is due is *token*'s for *hold* seconds, as it would be a
        session's; one that is well is given again after *again* seconds.
        """
        found: list[tuple[str, str]] = []
        more = True
        while more and len(found) < most:
            more, some = self._store.probes(
                token, most=most - len(found), hold=hold, again=again
            )
            found += some
        return found

    def report(self, proxy_id: str, tried: Tried) -> Standing:
        """Tell how a test of a proxy went; return how it stands then."""
        return self._store.report(proxy_id, tried, self._health)

    def bans(self, proxy_id: str) -> list[tuple[str, float]]:
        """Return the domains that block a proxy, and until when in Unix seconds.

        A hundred at most: those that block it longest, which come first.
        """
        return [(name, until / 1000) for name, until in self._store.bans(proxy_id)]

    def status(self, records: Sequence[ProxyRecord]) -> list[ProxyStatus]:
        """Return how each of *records* is doing, in their order. Takes no probe."""
        now = self._store.now_ms()
        rows = self._store.live([record.proxy.id for record in records])
        window = round(self._health.window * 1000)
        return [
            _status(record, row, now, window)
            for record, row in zip(records, rows, strict=True)
        ]


def _waits(row: dict[str, str]) -> bool:
    counts = {row.get("sessions"), row.get("inflight")}
    return row.get("mode") == "removed" and counts != {"0"}


def _row(record: ProxyRecord, url: str, same: str) -> tuple[str | int | float, ...]:
    return (
        record.id,
        url,
        "|".join(("", *record.labels, "")) if record.labels else "",
        record.weight,
        record.max_concurrency,
        # 0 is for no end, so what ended in 1970 or before ended a moment later.
        max(1, round(record.expires.timestamp() * 1000)) if record.expires else 0,
        _mode(record),
        same,
    )


def _mode(record: ProxyRecord) -> str:
    if record.proxy.direct:  # in no inventory: what Redis was told is of record
        return "as it is"
    return record.mode if record.enabled else "disabled"


def _status(
    record: ProxyRecord, row: dict[str, str], now: int, window: int
) -> ProxyStatus:
    try:
        return _read_status(record, row, now, window)
    except (ValueError, OverflowError):  # a program that is not ours wrote into it
        return _read_status(record, {"state": "damaged"}, now, window)


def _read_status(
    record: ProxyRecord, row: dict[str, str], now: int, window: int
) -> ProxyStatus:
    def count(name: str) -> int:
        return int(float(row.get(name, 0)))

    state, mode = row.get("state", "unpublished"), row.get("mode", "")
    down = state in {"unhealthy", "dead"}
    ends = count("ends")
    # A window that slides: of the last one counts what still lies within.
    over, into = divmod(max(0, now - count("win")), window)
    n0, f0, n1, f1 = (count(name) for name in ("n0", "f0", "n1", "f1"))
    if over:
        n0, f0, n1, f1 = (0, 0, n0, f0) if over == 1 else (0, 0, 0, 0)
    left = 1 - into / window
    return ProxyStatus(
        record=record,
        state=state,
        mode=mode or ("expired" if 0 < ends <= now else ""),
        due=max(0.0, (count("due") - now) / 1000) if down else 0.0,
        fails=float(row.get("fails", 0)),
        sessions=count("sessions"),
        inflight=count("inflight"),
        started=count("done") + count("lost") + count("inflight"),
        done=count("done"),
        faults=count("faults"),
        success=round(float(row.get("success", 1)), 3),
        response_ms=round(float(row.get("ema", 0)), 1),
        recent=round(n0 + n1 * left),
        recent_faults=round(f0 + f1 * left),
        bytes=count("bytes"),
        bans=count("bans") if now - count("bans_since") <= _BANS_MS else 0,
    )
