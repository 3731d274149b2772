"""Every key in Redis.

All keys of a pool start with its hash tag, so that each operation is one script on
one slot, on a Cluster too.

key                      type     what, and its fields
``{pool}:s:<session>``   hash     p proxy, g generation (bindings so far), i incarnation
                                  (fencing number), c created, x expires, t idle ttl,
                                  a end of max age, n requests, d lease deadline or 0,
                                  k nonce of the lease, then ``-`` and that of the last
                                  release (of a shared session: of the last ones),
                                  v state version, o options; and if there are any:
                                  f live leases, u next use, b rebinds of the hour,
                                  q milliseconds and z number of requests measured,
                                  w last URL (times in ms)
``{pool}:st:<session>``  string   the session's state, one header byte first
``{pool}:x``             zset     session → when to look whether it has expired
``{pool}:l``             zset     lease token → deadline; the member is the lease
``{pool}:wl``            zset     warm sessions that nobody uses → last use
``{pool}:wn``            zset     the same sessions → next use
``{pool}:wl:<nonce>``    string   what a borrow was answered; expires
``{pool}:p:<proxy>``     hash     url, labels (``|country:US|tag:x|``)
``{pool}:d:<proxy>``     hash     state, mode, fails, cools, due, probe, inflight,
                                  sessions, started, done, faults, success, ema, since,
                                  weight, cap, ends, version, bytes, and the window
``{pool}:u``             zset     usable proxies, all with score 0
``{pool}:ix``            hash     indexes in use → 1 ready, 0 being built
``{pool}:i:<index>``     zset     usable proxies of one filter and strategy → turn; an
                                  index is called ``<filter>:<strategy>``
``{pool}:c``             zset     cooling proxies → when they are due
``{pool}:b:<domain>``    hash     proxies the domain blocks → ``until:times``; expires
``{pool}:n``             hash     counters
``{pool}:h``             hash     response times: upper bound in ms → requests
``{pool}:ev``            stream   audit events, capped
``{pool}:m``             stream   metric snapshots, capped
``limpet:pools``         set      names of the pools

`PERMANENT` lists what lives without a TTL: sessions and leases are removed by the
clean-up through ``x`` and ``l``, which also has to settle their proxies' counts.
"""

import re
from typing import Final

POOLS: Final = "limpet:pools"

#: What a session may be called: it goes into keys, lease tokens and pages. Sessions
#: that live for one job have names of our own, which begin with ``~``.
SESSION_ID: Final = r"^[A-Za-z0-9_.@:+=-][A-Za-z0-9_.@:+=~-]{0,127}$"
#: What a pool may be called: it is the hash tag, so no braces.
POOL_NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,31}$"

PERMANENT: Final = re.compile(
    r"^(limpet:pools|\{[^}]+\}:(s:.+|x|l|wl|wn|[pd]:.+|u|ix|i:.+|c|n|h|ev|m))$"
)


class Keys:
    """The keys of one pool."""

    def __init__(self, pool: str) -> None:
        tag = f"{{{pool}}}:"
        self.expiry = f"{tag}x"
        self.leases = f"{tag}l"
        self.warm = f"{tag}wl"
        self.warm_next = f"{tag}wn"
        self.usable = f"{tag}u"
        self.registry = f"{tag}ix"
        self.cooling = f"{tag}c"
        self.counters = f"{tag}n"
        self.times = f"{tag}h"
        self.audit = f"{tag}ev"
        self.snapshots = f"{tag}m"
        #: Prefixes: scripts complete them with the id of a proxy, a session or an
        #: index that they only learn on the way.
        self.proxies = f"{tag}p:"
        self.live = f"{tag}d:"
        self.indexes = f"{tag}i:"
        self.bans = f"{tag}b:"
        self.sessions = f"{tag}s:"
        self.states = f"{tag}st:"

    def session(self, session_id: str) -> str:
        return self.sessions + session_id

    def state(self, session_id: str) -> str:
        return self.states + session_id

    def proxy(self, proxy_id: str) -> str:
        return self.proxies + proxy_id

    def live_proxy(self, proxy_id: str) -> str:
        return self.live + proxy_id

    def index(self, name: str) -> str:
        return self.indexes + name
