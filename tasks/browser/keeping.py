"""Storage of pages, put back and taken out, where the page itself can do that.

Playwright restores storage in a page of its own, which costs a process for each job,
and to save it goes to every origin again. Here an origin is restored in the job's own
tab, from an empty answer, and is saved by the script that reads the page's HTML. What
is no plain JSON (dates, buffers, maps: see `is_plain`) is left to Playwright, whose
shape of storage this is.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from playwright.async_api import CDPSession, Error, Page

from tasks.browser.storage import Origin

#: What Playwright says of a store, a database and an index; more is left to it.
_STORE: Final = frozenset(
    ("name", "records", "indexes", "autoIncrement", "keyPath", "keyPathArray")
)
_DATABASE: Final = frozenset({"name", "version", "stores"})
_ORIGIN: Final = frozenset({"origin", "localStorage", "indexedDB"})
_RECORD: Final = frozenset({"key", "value"})

#: Puts back what one origin keeps; a page that is empty has no script to race with.
_RESTORE: Final = """async ({ localStorage: local, indexedDB: databases }) => {
  const opened = (info) => new Promise((done, fail) => {
    const asked = indexedDB.open(info.name, info.version);
    asked.onerror = () => fail(asked.error);
    asked.onupgradeneeded = () => info.stores.forEach((one) => {
      const store = asked.result.createObjectStore(one.name, {
        autoIncrement: one.autoIncrement, keyPath: one.keyPathArray ?? one.keyPath,
      });
      for (const index of one.indexes)
        store.createIndex(index.name, index.keyPathArray ?? index.keyPath, {
          unique: index.unique, multiEntry: index.multiEntry,
        });
      for (const { key, value } of one.records) store.add(value, key);
    });
    asked.onsuccess = () => { asked.result.close(); done(); };
  });
  for (const { name, value } of local ?? []) localStorage.setItem(name, value);
  await Promise.all((databases ?? []).map(opened));
}"""

#: Returns what the page's origin keeps, `null` if that is not to be said in JSON. Of
#: one that keeps more than so many characters its name alone: none of it is kept.
COLLECT: Final = """async (most) => {
  let left = most;
  const counted = (value) => {
    left -= JSON.stringify(value).length;
    if (left < 0) throw "large";
    return value;
  };
  const done = (asked) => new Promise((end, fail) => {
    asked.onsuccess = () => end(asked.result);
    asked.onerror = () => fail(asked.error);
    // Deleted meanwhile: it must not come to be again.
    asked.onupgradeneeded = () => asked.transaction.abort();
  });
  const isPlain = (value) => {
    if (value === null || ["string", "boolean"].includes(typeof value)) return true;
    if (typeof value === "number") return Number.isFinite(value);
    if (Array.isArray(value)) return value.every(isPlain);
    return value?.constructor === Object && Object.values(value).every(isPlain);
  };
  const stored = async (store) => {
    if (await done(store.count()) > most) throw "large";
    const [keys, values] = await Promise.all(
      [done(store.getAllKeys()), done(store.getAll())],
    );
    if (!isPlain(keys) || !isPlain(values)) throw new Error("not plain");
    counted([keys, values]);
    const path = (one) => Array.isArray(one)
      ? { keyPathArray: [...one] } : { keyPath: one ?? undefined };
    return {
      name: store.name,
      autoIncrement: store.autoIncrement,
      ...path(store.keyPath),
      indexes: [...store.indexNames].map((name) => store.index(name)).map((one) => ({
        name: one.name, ...path(one.keyPath), unique: one.unique,
        multiEntry: one.multiEntry,
      })),
      records: values.map((value, n) =>
        store.keyPath === null ? { key: keys[n], value } : { value }),
    };
  };
  const held = async ({ name, version }) => {
    const database = await done(indexedDB.open(name));
    try {
      const names = [...database.objectStoreNames];
      const stores = names.length
        ? names.map((one) => database.transaction(names).objectStore(one)) : [];
      return { name, version, stores: await Promise.all(stores.map(stored)) };
    } finally { database.close(); }
  };
  const late = new Promise((end) => setTimeout(end, 1500, null));
  const all = async () => ({
    origin: location.origin,
    localStorage: counted(
      Object.entries(localStorage).map(([name, value]) => ({ name, value })),
    ),
    indexedDB: await Promise.all((await indexedDB.databases()).map(held)),
  });
  try { return await Promise.race([all(), late]); } catch (error) {
    return error === "large" ? { origin: location.origin } : null;
  }
}"""


def is_plain(origin: Origin) -> bool:
    """Return whether `restore` can put *origin* back; Playwright can anything."""
    return _ORIGIN.issuperset(origin) and all(
        _DATABASE.issuperset(database)
        and all(_plain_store(store) for store in database.get("stores", ()))
        for database in origin.get("indexedDB") or ()
    )


def _plain_store(store: Mapping[str, Any]) -> bool:
    records = store.get("records", ())
    return _STORE.issuperset(store) and all(map(_RECORD.issuperset, records))


async def restore(tab: Page, origins: list[Origin]) -> int:
    """Put *origins* back in *tab*, which has shown nothing yet; no request leaves.

    Returns how many of them the browser has not taken.

    Raises:
        Error: the tab is gone.
    """
    session = await tab.context.new_cdp_session(tab)
    answers = _Empty(session)
    try:
        await session.send("Fetch.enable")
        refused = 0
        for origin in origins:
            refused += not await _restored(tab, session, origin)
    finally:
        answers.end()
        # The page must not find that it was not the first one in its tab.
        reset = session.send("Page.resetNavigationHistory")
        # Both are sent at once, and done in this order.
        await asyncio.gather(reset, session.detach(), return_exceptions=True)
    return refused


async def _restored(tab: Page, session: CDPSession, origin: Origin) -> bool:
    script = {"expression": f"({_RESTORE})({_told(origin)})", "awaitPromise": True}
    try:
        await tab.goto(str(origin["origin"]), wait_until="commit")
        told = await session.send("Runtime.evaluate", script)
    except Error:
        return False
    return "exceptionDetails" not in told


def _told(origin: Origin) -> str:
    # As it stands in a script, a key such as ``__proto__`` would be none.
    return f"JSON.parse({json.dumps(json.dumps(origin))})"


class _Empty:
    """Answers whatever a tab asks for with an empty page."""

    def __init__(self, session: CDPSession) -> None:
        self._session = session
        self._tasks: set[asyncio.Task[None]] = set()
        session.on("Fetch.requestPaused", self._paused)

    def _paused(self, event: Mapping[str, Any]) -> None:
        task = asyncio.ensure_future(self._answer(str(event["requestId"])))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: str) -> None:
        kind = [{"name": "Content-Type", "value": "text/html"}]
        answer = {"requestId": request, "responseCode": 200, "responseHeaders": kind}
        with suppress(Error):  # the tab may be gone
            await self._session.send("Fetch.fulfillRequest", answer)

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()
