"""Every key in Redis.

All keys of a pool start with its hash tag, so that each operation is one script on
one slot, on a Cluster too.

key                      type     what, and its fields
``{pool}:s:<session>``   hash     p proxy, d lease deadline or 0, x expires, n requests,
                                  i incarnation (fencing number), k nonce of the lease,
                                  then ``-`` and one for each of the last four
                                  releases, the last one first, a end of max age,
                                  t idle ttl, m max age; and only if there are any: g
                                  generation (bindings so far) from 2 on, v state
                                  version, o options, f live leases, u next use,
                                  b rebinds of the hour, e error score, q milliseconds
                                  and z number of requests measured, y bytes received,
                                  w last URL, c number of pages in a browser, r ms that
                                  they took, h how many took how long: ``bound:count``
                                  with blanks between (times in ms)
``{pool}:st:<session>``  string   the session's state, one header byte first
``{pool}:x``             zset     session → when to look whether it has expired
``{pool}:l``             zset     lease token → deadline; the member is the lease
``{pool}:wl``            zset     warm sessions that nobody uses → last use
``{pool}:wn``            zset     the same sessions → next use
``{pool}:re:<operation>`` string  what an operation was answered, should it be sent
                                  again after a lost reply; and that a refusal was told
                                  within the minute; expires
``{pool}:pg:<task>``     hash     pages of a job of many that are done → what the
                                  result will say of them; expires
``{pool}:p:<proxy>``     hash     url, labels (``|country:US|tag:x|``)
``{pool}:d:<proxy>``     hash     state, mode, fails, cools, due, probe, inflight,
                                  done, lost, faults, success, ema, since, weight,
                                  cap, ends, plain, version, bytes, and the window;
                                  tried (ms) and exit (address) once it was probed
``{pool}:ld``            hash     proxy → its sessions, once it has had one; apart from
                                  the above, so that the clean-up counts many at once
``{pool}:u``             zset     usable proxies, all with score 0
``{pool}:ix``            hash     indexes in use → 1 ready, 0 being built
``{pool}:i:<index>``     zset     usable proxies of one filter and strategy → turn; an
                                  index is called ``<filter>:<strategy>``
``{pool}:c``             zset     cooling proxies → when they are due
``{pool}:pc``            string   usable proxy after which probing goes on; expires
``{pool}:b:<domain>``    hash     proxies the domain blocks → ``until:times``; expires
``{pool}:pb:<proxy>``    zset     domains that block the proxy → until; expires
``{pool}:k:<key>``       hash     job of an idempotency key (its SHA-256): t task id,
                                  s ``run`` or ``done``, f the job's fingerprint,
                                  u end of the window in ms; expires
``{pool}:wh:<delivery>`` string   webhook: ``sent`` to the queue, ``<token>`` of who
                                  delivers it, or ``done``; expires
``{pool}:wr:<receiver>`` string   a receiver that rests until this expires
``{pool}:n``             hash     counters
``{pool}:h``             hash     response times: upper bound in ms → requests
``{pool}:hr``            hash     the same of pages in a browser
``{pool}:hl``            hash     how long sessions lived that have ended: n → those of
                                  less than 2ⁿ seconds, and ``sum`` in ms
``{pool}:ev``            stream   audit events, capped
``{pool}:m``             stream   metric snapshots, capped
``{pool}:sn``            string   how many shards the pool has, if it has several: then
                                  all of the above is ``{pool#0}:…``, ``{pool#1}:…`` and
                                  so on, but for ``pg``, ``k``, ``wh``, ``wr`` and ``m``
``limpet:pools``         set      names of the pools
``limpet:m``             stream   snapshots of what all pools share, capped
``limpet:{dead}``        hash     dead letters on their way to SQL, by id
``limpet:{dead}:n``      hash     how many there have been, by reason
``limpet:{upkeep}:active`` string token of the beat that is active; expires
``limpet:{upkeep}:beat`` hash     of the one that is or was: name, since, tick (in ms)
``limpet:{upkeep}:sent`` hash     entry of the schedule → when beat sent it last, in ms
``limpet:{upkeep}:r:<task>`` hash the runs of an upkeep task: started, ended, ok (times
                                  in ms), ms, runs, failures, in_row, overlaps, recent,
                                  worker, result, error, token of the last
``limpet:{upkeep}:l:<task>`` string token of the run that is under way; expires
``limpet:{upkeep}:t:<task>:<slot>`` string message that was taken for one time at which
                                  the task was due; expires
``{-}:al``               hash     alerts, by check → what was told, and what is; JSON
``{-}:ao``               hash     their changes that a webhook is to be sent for, by
                                  event id
``{-}:ev``               stream   audit events of no pool: changes of alerts; capped

What all pools share of a site expires by itself, and has the site's own hash tag:

key                      type     what, and its fields
``limpet:q:{<domain>}``  hash     t when its bucket is full again, q when the next
                                  refused one is told to come, u end of a pause,
                                  c crawl-delay, ce its end (times in ms)
``limpet:ql:{<domain>}`` zset     nonce of a request under way → deadline
``limpet:r:<origin>``    string   robots.txt, by zlib; empty: everything is allowed
``limpet:rd:<origin>``   string   robots.txt could not be had lately

`PERMANENT` lists what lives without a TTL: sessions and leases are removed by the
clean-up through ``x`` and ``l``, which also has to settle their proxies' counts.
"""

import re
from typing import Final

POOLS: Final = "limpet:pools"
SYSTEM: Final = "limpet:m"
DEAD: Final = "limpet:{dead}"
DEAD_COUNTS: Final = "limpet:{dead}:n"
_UPKEEP: Final = "limpet:{upkeep}:"
BEAT_ACTIVE: Final = f"{_UPKEEP}active"
BEAT: Final = f"{_UPKEEP}beat"
BEAT_SENT: Final = f"{_UPKEEP}sent"
#: Stands for a pool's name where something is of none; no pool is called so.
NO_POOL: Final = "-"
ALERTS: Final = f"{{{NO_POOL}}}:al"
ALERT_OUTBOX: Final = f"{{{NO_POOL}}}:ao"

#: What a session may be called: it goes into keys, lease tokens and pages. Sessions
#: that live for one job have names of our own, which begin with ``~``.
SESSION_ID: Final = r"^[A-Za-z0-9_.@:+=-][A-Za-z0-9_.@:+=~-]{0,127}$"
#: What a pool may be called: it is the hash tag, so no braces.
POOL_NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,31}$"

PERMANENT: Final = re.compile(
    r"^(limpet:(pools|m)|limpet:\{dead\}(:n)?"
    r"|limpet:\{upkeep\}:(beat|sent|r:.+)"
    r"|\{-\}:a[lo]"
    r"|\{[^}]+\}:(s:.+|x|l|wl|wn|[pd]:.+|ld|u|ix|i:.+|c|n|h|hr|hl|ev|m|sn))$"
)


class Keys:
    """The keys of one pool; all begin with *tag*."""

    def __init__(self, pool: str) -> None:
        self.tag = tag = f"{{{pool}}}:"
        self.expiry = f"{tag}x"
        self.leases = f"{tag}l"
        self.warm = f"{tag}wl"
        self.warm_next = f"{tag}wn"
        self.loads = f"{tag}ld"
        self.usable = f"{tag}u"
        self.registry = f"{tag}ix"
        self.cooling = f"{tag}c"
        self.probed = f"{tag}pc"
        self.counters = f"{tag}n"
        self.times = f"{tag}h"
        self.render_times = f"{tag}hr"
        self.lifetimes = f"{tag}hl"
        self.audit = f"{tag}ev"
        self.snapshots = f"{tag}m"
        self.shards = f"{tag}sn"
        #: Prefixes: scripts complete them with the id of a proxy, a session or an
        #: index that they only learn on the way.
        self.static = f"{tag}p:"
        self.live = f"{tag}d:"
        self.indexes = f"{tag}i:"
        self.bans = f"{tag}b:"
        self.banned_by = f"{tag}pb:"
        self.claims = f"{tag}k:"
        self.deliveries = f"{tag}wh:"
        self.receivers = f"{tag}wr:"
        self.sessions = f"{tag}s:"
        self.states = f"{tag}st:"
        self.answered = f"{tag}re:"
        self.notes = f"{tag}pg:"

    @property
    def named(self) -> list[str]:
        """What scripts are given that make all others from the first.

        Two, for a Cluster that moves the slot: a script that names one is run by either
        node with what it has, of several it is refused until all are on one node.
        """
        return [self.tag, self.counters]

    def session(self, session_id: str) -> str:
        return self.sessions + session_id

    def state(self, session_id: str) -> str:
        return self.states + session_id

    def proxy(self, proxy_id: str) -> str:
        return self.static + proxy_id

    def live_proxy(self, proxy_id: str) -> str:
        return self.live + proxy_id

    def index(self, name: str) -> str:
        return self.indexes + name


def lua_locals(script: str, *, known: str = "") -> str:
    """Return Lua that gives each key and prefix that *script* names, from ``tag``.

    Those that *known* names are there already. One argument instead of twenty: each
    costs 1 µs on its way.
    """
    keys = vars(Keys(""))
    start = len(keys.pop("tag"))
    named = set(re.findall(r"\w+", script)) - set(re.findall(r"\w+", known))
    return "\n".join(
        f'local {name} = tag .. "{key[start:]}"'
        for name, key in keys.items()
        if name in named
    )


class TaskKeys:
    """The keys of one upkeep task."""

    def __init__(self, task: str) -> None:
        self.record = f"{_UPKEEP}r:{task}"
        self.lock = f"{_UPKEEP}l:{task}"
        self._slots = f"{_UPKEEP}t:{task}:"

    def slot(self, slot: str) -> str:
        return self._slots + slot


class DomainKeys:
    """The keys of one domain."""

    def __init__(self, domain: str) -> None:
        self.state = f"limpet:q:{{{domain}}}"
        self.slots = f"limpet:ql:{{{domain}}}"


def robots_key(origin: str) -> str:
    return f"limpet:r:{origin}"


def robots_down_key(origin: str) -> str:
    return f"limpet:rd:{origin}"
