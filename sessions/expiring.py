"""One batch of the clean-up, in steps that nobody has to wait for long."""

import time
from dataclasses import replace
from typing import Final

from limpet.errors import LimpetError
from sessions.session import Expired
from sessions.store import SessionStore

#: Sessions that one script looks at: a third of a millisecond, which a request that
#: comes just then has to wait.
_AT_ONCE: Final = 25


def expire(store: SessionStore, batch: int) -> Expired:
    """End up to *batch* sessions whose time is over, and leases of dead holders.

    After each script that leaves more there is a rest, half as long as the trip took,
    of which Redis was busy for about a half: it is for requests most of the time. After
    longer rests it does the next script a fifth slower (``bench/reap.py``).

    What was done before a step failed is returned; the error comes with the next batch.
    """
    done = Expired(more=True)
    while done.more and batch > 0:
        start, most = time.perf_counter(), min(batch, _AT_ONCE)
        try:
            leases, looked, idle, old, stuck = store.expire(most)
        except LimpetError:
            if done == Expired(more=True):
                raise
            return replace(done, more=True)
        names = tuple(map(bytes.decode, stuck))
        more = leases + looked == most
        done = done.then(Expired(idle, old, leases, names, more=more))
        batch -= most
        if more:
            time.sleep((time.perf_counter() - start) / 2)
    return done
