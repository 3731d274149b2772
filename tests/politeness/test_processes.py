"""Processes together keep to a limit, also when some of them die."""

import subprocess
from collections.abc import Callable

from redis import Redis

from limpet.errors import DomainBusy
from limpet.keys import DomainKeys
from politeness import DomainLimits

Start = Callable[..., subprocess.Popen[str]]

_BEGIN = """
import json, sys, time
from limpet.connection import connect
from limpet.politeness_settings import DomainLimit
from limpet.errors import DomainBusy
from politeness import DomainLimits
from politeness.store import DomainStore

client = connect(sys.argv[1])
URL = "http://a.test/"

def now():
    seconds, micros = client.time()
    return seconds + micros / 1e6

def take(limits):
    while True:
        try:
            return limits.take(URL, hold=30)
        except DomainBusy as busy:
            time.sleep(min(busy.retry_after, 0.05))
"""

_RATE = f"""{_BEGIN}
limits = DomainLimits(DomainStore(client), default=DomainLimit(rate=50))
seen = []
for _ in range(int(sys.argv[2])):
    slot = take(limits)
    seen.append(now())
    limits.give(slot)
print(json.dumps(seen))
"""

_AT_A_TIME = f"""{_BEGIN}
limits = DomainLimits(DomainStore(client), default=DomainLimit(concurrency=3))
most = 0
for _ in range(int(sys.argv[2])):
    slot = take(limits)
    most = max(most, client.incr("test:under-way"))
    time.sleep(0.002)
    client.decr("test:under-way")
    limits.give(slot)
print(most)
"""

_HOLD = f"""{_BEGIN}
DomainLimits(DomainStore(client), default=DomainLimit(concurrency=1)).take(
    URL, hold=float(sys.argv[2]))
print("held", flush=True)
time.sleep(60)
"""


def _all(start: Start, source: str, count: int, *arguments: object) -> list[str]:
    running = [start(source, *arguments) for _ in range(count)]
    told = [process.communicate(timeout=100)[0] for process in running]
    assert [process.returncode for process in running] == [0] * count
    return told


def test_processes_together_never_exceed_a_rate(program: Start, redis: Redis) -> None:
    told = _all(program, _RATE, 6, 40)

    moments = sorted(
        float(one) for line in told for one in line.strip("[]\n").split(",")
    )
    assert len(moments) == 240
    # A process may be held up between its turn and its clock, so not each gap counts:
    # 50 a second are 51 in a second with both its ends, and one late for each process.
    for number, begin in enumerate(moments):
        within = [one for one in moments[number:] if one < begin + 1]
        assert len(within) <= 51 + 6
    assert moments[-1] - moments[0] >= 239 / 50 - 0.1


def test_processes_together_never_exceed_a_number_at_a_time(
    program: Start, redis: Redis
) -> None:
    told = _all(program, _AT_A_TIME, 6, 50)

    assert max(map(int, told)) == 3
    assert redis.zcard(DomainKeys("a.test").slots) == 0
    redis.delete("test:under-way")


def test_a_killed_holder_frees_its_slot(
    program: Start,
    limits_of: Callable[..., DomainLimits],
    redis: Redis,
    eventually: Callable[..., None],
) -> None:
    limits = limits_of(concurrency=1)
    with program(_HOLD, -3) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        holder.kill()
    assert redis.zcard(DomainKeys("a.test").slots) == 1

    def free() -> bool:
        try:
            limits.take("http://a.test/", hold=30)
        except DomainBusy:
            return False
        return True

    eventually(free)
