"""What people write by hand: a thread pool, a `requests.Session` a session.

``python -m bench.jobs_plain SITE PAGES SESSIONS THREADS PROXY…`` prints a JSON object:
seconds, CPU seconds. A process of its own, as a worker is one.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import requests


def main(
    site: str, pages: int, sessions: int, threads: int, proxies: list[str]
) -> None:
    made = [requests.Session() for _ in range(sessions)]
    locks = [Lock() for _ in made]
    for number, session in enumerate(made):
        session.trust_env = False
        proxy = proxies[number % len(proxies)]
        session.proxies = {"http": proxy, "https": proxy}

    def fetch(number: int) -> int:
        at = number % sessions
        with (
            locks[at],
            made[at].get(f"{site}/{number}", timeout=30, stream=True) as answer,
        ):
            return len(answer.content) if answer.status_code == 200 else 0

    start, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        sizes = list(pool.map(fetch, range(pages)))
    took, used = time.perf_counter() - start, time.process_time() - cpu
    assert all(sizes), "a page was not fetched"
    print(json.dumps({"seconds": took, "cpu": used}))


if __name__ == "__main__":
    site, pages, sessions, threads, *proxies = sys.argv[1:]
    main(site, int(pages), int(sessions), int(threads), proxies)
