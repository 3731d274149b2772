"""A database or a broker that hangs takes no page away that can do without it."""

import asyncio
import sys
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr

from limpet import database, schema
from limpet.sealing import Sealer
from limpet.settings import Settings
from proxies import ProxyPool, ProxyRecord, tables
from sessions import SessionManager
from tests.conftest import Eventually
from tests.databases import frozen, postgres
from tests.pages.site import login, serving, with_options
from tests.pages.traffic import use
from tests.redis_server import RedisServer

__all__ = ["postgres"]

#: One more than pages may wait at a time.
CLICKS = 17


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_frozen_database_is_as_one_that_is_down(
    settings: Settings,
    postgres: str,
    pool: ProxyPool,
    records: list[ProxyRecord],
    manager: SessionManager,
) -> None:
    there = settings.model_copy(update={"database_url": SecretStr(postgres)})
    schema.upgrade(there)
    tables.save(database.engine(there.sql_url), Sealer(()), "default", records)
    use(manager, "one")

    with serving(there) as site:
        assert site.get("/sessions", span="24h").status == 200
        with frozen(postgres):
            day = site.get("/sessions", span="24h")
            own = site.get("/session", pool="default", id="one")
            every = site.get("/proxies")
            proxy = site.get("/proxy", pool="default", id=records[0].id)

    why = "no answer from the database in time"
    assert [one.status for one in (day, own, every)] == [200] * 3
    assert f"The history cannot be read: {why}" in day.words
    assert "unknown 4" in every.words
    assert why in every.words
    assert proxy.status == 503
    assert f"The inventory cannot be read: {why}" in proxy.words
    assert "session store" not in proxy.words


def test_a_frozen_broker_takes_no_page_away(
    settings: Settings,
    pool: ProxyPool,
    records: list[ProxyRecord],
    store_server: RedisServer,
    eventually: Eventually,
) -> None:
    schema.upgrade(settings)
    tables.save(database.engine(settings.sql_url), Sealer(()), "default", records)
    there = settings.model_copy(
        update={
            "broker_url": SecretStr(store_server.url),
            "probe_url": SecretStr("http://shop.example/"),
            "health_timeout_seconds": 1,
        }
    )
    where = urlencode({"pool": "default", "id": records[0].id})
    headers = {**login(), "Cookie": "_xsrf=abc", "X-XSRFToken": "abc"}

    with with_options(basic_auth=["ada:pw"]), serving(there) as site:

        async def click() -> list[int]:
            asked = (
                site.http_client.fetch(
                    site.get_url(f"/proxy/probe?{where}"),
                    method="POST",
                    body="",
                    headers=headers,
                    raise_error=False,
                )
                for _ in range(CLICKS)
            )
            return [one.code for one in await asyncio.gather(*asked)]

        store_server.freeze()
        try:
            codes = site.io_loop.run_sync(click)
            eventually(lambda: site.get("/sessions").status == 200)
        finally:
            store_server.thaw()

    assert set(codes) <= {409, 503}
