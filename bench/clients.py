"""``redis-benchmark``: many connections, and no Python in the way."""

import subprocess
from typing import Any, Final

from rich.progress import track

from bench import rig, stock
from limpet.keys import Keys

#: An empty script again, which is sent as much as an acquire is.
ALIKE: Final = "the same, with the arguments of a hit"
#: What redis-benchmark puts a random number for.
_RANDOM: Final = "__rand_int__"


class Clients:
    """Hits on the idle sessions of a pool, by any number of connections."""

    def __init__(
        self,
        running: rig.Running,
        pool: str,
        *,
        sessions: int,
        requests: int,
    ) -> None:
        """The pool has so many *sessions*; each pass does so many *requests*."""
        self._client, self._port = running.client, running.port
        self._sessions, self._requests = sessions, requests
        self._leases = Keys(pool).leases
        self._line = stock.Line(running.client, pool)
        # A random number has twelve digits. Few are drawn twice in a pass: those are
        # found in use, which takes longer than a hit.
        self._line.store.acquire(f"session-{12 * '0'}{_RANDOM}", stock.want(_RANDOM))
        [hit] = self._line.commands()
        self._hit = [str(part) for part in hit]
        self._empty = ["EVALSHA", running.client.script_load("return 1")]

    def run(self, clients: int, passes: int, *, bare: str) -> rig.Samples:
        """Time with so many connections; *bare* is what the empty script is called."""
        samples = rig.Samples()
        sides = {bare: [*self._empty, "0"], ALIKE: [*self._empty, *self._hit[2:]]}
        for _ in track(range(passes), f"{clients} connections", transient=True):
            samples.begin()
            for name, command in sides.items():
                # Four times as many, so that connecting weighs about the same.
                took = self._time(clients, 4 * self._requests, command)
                samples.chunks[-1][name] = took
            samples.chunks[-1]["hit"] = self._time(clients, self._requests, self._hit)
            hits = self._release()
            assert hits > 0.97 * self._requests, f"{hits} of {self._requests} were hits"
        return samples

    def _time(self, clients: int, requests: int, command: list[str]) -> float:
        options = (
            f"-p {self._port} -c {clients} -n {requests} -r {self._sessions} --csv"
        )
        said = subprocess.run(
            ["redis-benchmark", *options.split(), *command],
            capture_output=True,
            check=True,
            text=True,
        )
        # "command","rps","average","min","p50","p95","p99","max"; commas in a command
        # are its own affair.
        rate = said.stdout.splitlines()[-1].split('","')[1]
        return 1e6 / float(rate)

    def _release(self) -> int:
        found: Any = self._client.zrange(self._leases, 0, -1)
        tokens = [token.decode() for token in found]
        for batch in stock.batches(tokens):
            for token in batch:
                self._line.store.release(token.split(":", 3)[3], token, stock.GIVE)
            self._line.send()
        return len(tokens)
