"""Living sessions, copied to SQL: those that have changed, a bounded number at a time.

How a change is found: a walk through the index of expiries, for which no request pays.
Each session's fields are hashed, and the hash compared with that of its copy; a state
is sent by Redis only if its version is another. Marking what changed at each release
would cost every request one more write, and every session 100 bytes for as long as
nobody comes for it.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import Engine

from history.names import Names
from history.store import LATEST, HistoryStore
from history.tables import checkpoints
from history.tables.checkpoints import Copy
from history.tables.cursor import Overtaken, moving, position
from limpet.errors import ConfigurationError
from limpet.keys import SESSION_ID
from limpet.sealing import Sealer
from sessions.operation import TEMPORARY
from sessions.transfer import portable

#: Sessions of one script, which takes the server about 0.2 ms.
STEP: Final = 50
#: Sessions of one transaction; together their states are at most 100 MB.
_WALK: Final = 100
#: No version, which begins as a time in ms, is beyond what SQL can hold.
_MOST: Final = 2**53
#: Characters of a proxy's id.
_PROXY: Final = 10

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Copied:
    """What one step did; *more* until the walk has come to its end.

    *damaged* records cannot be read; the others are copied all the same.
    """

    seen: int
    written: int
    more: bool
    damaged: int = 0


class Checkpoints:
    """Copies sessions of any pool; raises `StoreUnavailable`.

    Raises:
        ConfigurationError: names are to be hashed, and there is no key to seal the
            real ones with, which a restore needs.
    """

    def __init__(
        self, store: HistoryStore, engine: Engine, names: Names, sealer: Sealer
    ) -> None:
        if names.hashed and not sealer.active:
            raise ConfigurationError(
                "LIMPET_HISTORY_HASH_KEY: needs LIMPET_STATE_KEYS, which seal the ids "
                "that a restore needs"
            )
        self._store = store
        self._engine = engine
        self._names = names
        self._sealer = sealer

    def step(self, pool: str) -> Copied:
        """Look at the next sessions of *pool*, and write those that have changed.

        Goes on where the last step ended, whoever did it. Done again, after a crash,
        it changes nothing.
        """
        name = f"checkpoint:{pool}"
        before = position(self._engine, name, "0")
        cursor, found = self._store.scan(pool, int(before), _WALK)
        ours = [one for one in found if not one.startswith(TEMPORARY)]
        now = self._store.now_ms()
        copies: list[Copy] = []
        damaged: list[str] = []
        for start in range(0, len(ours), STEP):
            copies += self._changed(pool, ours[start : start + STEP], now, damaged)
        for one in damaged:
            log.error("session_not_copied", pool=pool, session=self._names.label(one))
        try:
            with moving(self._engine, name, before, str(cursor)) as session:
                checkpoints.write(session, pool, copies, now)
        except Overtaken:  # somebody else has done this very step
            return Copied(len(found), 0, more=True)
        return Copied(len(found), len(copies), more=cursor != 0, damaged=len(damaged))

    def _changed(
        self, pool: str, ids: list[str], now: int, damaged: list[str]
    ) -> list[Copy]:
        labels = {one: self._names.label(one) for one in ids}
        known = checkpoints.marks(self._engine, pool, list(labels.values()))
        versions = {
            one: str(known[label][1]) if label in known else ""
            for one, label in labels.items()
        }
        copies = []
        rows = zip(ids, self._store.copies(pool, versions), strict=True)
        for one, (fields, blob) in rows:
            try:
                if not fields or max(_ms(fields, "x"), _ms(fields, "d")) <= now:
                    continue
                copy = self._made(one, labels[one], fields, blob, versions[one])
            except (KeyError, ValueError, OverflowError):
                damaged.append(one)
                continue
            if known.get(copy.session, ("", 0))[0] != copy.mark:
                copies.append(copy)
        return copies

    def _made(
        self,
        session_id: str,
        label: str,
        fields: dict[str, str],
        blob: bytes | None,
        known: str,
    ) -> Copy:
        kept = portable(fields)
        version = kept.get("v", "0")
        if not 0 <= int(version) <= _MOST or not 0 < len(fields["p"]) <= _PROXY:
            raise ValueError
        if not re.fullmatch(SESSION_ID, session_id) or "\0" in fields["p"]:
            raise ValueError
        text = json.dumps([fields["p"], kept], sort_keys=True).encode()
        # A version that Redis was told is known is not sent, and is in SQL already.
        same = version == known and known != ""
        return Copy(
            session=label,
            name=self._sealer.seal(session_id) if label != session_id else "",
            proxy=fields["p"],
            created_ms=max(0, _ms(fields, "a") - _ms(fields, "m")),
            expires_ms=_ms(fields, "x"),
            fields=kept,
            mark=hashlib.sha256(text).hexdigest()[:32],
            version=int(version),
            state=None if same else blob or b"",
        )


def _ms(fields: dict[str, str], name: str) -> int:
    """Read a time; raises `KeyError`, `ValueError` or `OverflowError` if it is none."""
    if "damaged" in fields:
        raise KeyError(name)
    found = int(float(fields.get(name, 0)))
    if not 0 <= found <= LATEST:
        raise OverflowError(name)
    return found
