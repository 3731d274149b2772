"""The inventory in SQL: what is saved comes back, and its secrets stay sealed."""

import time
import tracemalloc
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine, text

from limpet import database, schema
from limpet.errors import ConfigurationError
from limpet.sealing import Sealer
from limpet.settings import Settings
from proxies import Proxy, tables
from proxies.record import ProxyRecord

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
PLAIN, SEALED = Sealer(), Sealer([NEW])

FULL = ProxyRecord(
    Proxy("socks5h", "2001:db8::1", 1080, "acc0unt", "S3cret:@/#%"),
    country="DE",
    region="Bavaria",
    city="München",
    asn=2**32 - 1,
    tags=("mobile", "slow"),
    weight=2.5,
    max_concurrency=4,
    provider="ACME",
    enabled=False,
    expires=datetime(2030, 1, 2, 3, 4, 5, 678, timezone(timedelta(hours=2))),
)
BARE = ProxyRecord(Proxy("http", "10.0.0.1", 80))


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """An empty inventory of this version's shape."""
    config = Settings(state_dir=tmp_path)
    schema.upgrade(config)
    return database.engine(config.sql_url)


def _renewed(record: ProxyRecord, password: str, **fields: object) -> ProxyRecord:
    proxy = record.proxy
    again = Proxy(proxy.scheme, proxy.host, proxy.port, proxy.username, password)
    return ProxyRecord(again, **fields)  # type: ignore[arg-type] # the test's business


def _stored(engine: Engine, columns: str = "*") -> str:
    with engine.connect() as connection:
        return str(connection.execute(text(f"SELECT {columns} FROM proxies")).all())


def test_a_long_inventory_is_read_with_little_more_memory_than_it_keeps(
    engine: Engine,
) -> None:
    proxies = (Proxy("http", f"h{n}.test", 80, "u", "pw") for n in range(5000))
    tables.save(engine, PLAIN, "eu", [ProxyRecord(proxy) for proxy in proxies])

    tracemalloc.start()
    try:
        kept = tables.load(engine, PLAIN, "eu")
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(kept) == 5000
    assert peak < 2 * left


@pytest.mark.parametrize("sealer", [PLAIN, SEALED], ids=["plain", "sealed"])
def test_what_is_saved_comes_back(engine: Engine, sealer: Sealer) -> None:
    new = tables.save(engine, sealer, "eu", [FULL, BARE])

    loaded = tables.load(engine, sealer, "eu")

    assert new == 2
    assert loaded == [BARE, FULL]
    assert loaded[1].proxy.password == "S3cret:@/#%"
    assert tables.get(engine, sealer, "eu", FULL.id) == FULL


def test_pools_do_not_see_each_other(engine: Engine) -> None:
    tables.save(engine, PLAIN, "us", [FULL])
    tables.save(engine, PLAIN, "eu", [BARE])

    assert tables.pools(engine) == ["eu", "us"]
    assert tables.load(engine, PLAIN, "eu") == [BARE]
    assert tables.get(engine, PLAIN, "eu", FULL.id) is None


def test_a_renewed_password_keeps_the_row(engine: Engine) -> None:
    tables.save(engine, SEALED, "eu", [FULL])
    before = _stored(engine, "id, added_at")

    new = tables.save(engine, SEALED, "eu", [_renewed(FULL, "n3w")], fields=())

    [record] = tables.load(engine, SEALED, "eu")
    assert (new, record, record.proxy.password) == (0, FULL, "n3w")
    assert _stored(engine, "id, added_at") == before


def test_only_the_fields_that_a_file_states_are_renewed(engine: Engine) -> None:
    tables.save(engine, PLAIN, "eu", [FULL])
    again = _renewed(FULL, "pw", country="FR", provider="other")

    tables.save(engine, PLAIN, "eu", [again], fields={"country"})

    [record] = tables.load(engine, PLAIN, "eu")
    assert (record.country, record.provider) == ("FR", "ACME")
    assert not record.enabled


def test_without_a_word_about_fields_all_of_them_are_renewed(engine: Engine) -> None:
    tables.save(engine, PLAIN, "eu", [FULL])
    again = _renewed(FULL, "pw")

    tables.save(engine, PLAIN, "eu", [again])

    assert tables.load(engine, PLAIN, "eu") == [again]


def test_thousands_are_saved_and_loaded_at_once(engine: Engine) -> None:
    records = [
        ProxyRecord(Proxy("http", f"10.0.{n // 250}.{n % 250}", 80, "me", "pw"))
        for n in range(5000)
    ]
    told: list[tuple[int, int]] = []
    started = time.process_time()

    counts = [
        tables.save(engine, SEALED, "eu", [*records, *records[:9]], progress=tell)
        for tell in (None, lambda done, total: told.append((done, total)))
    ]
    loaded = tables.load(engine, SEALED, "eu")

    assert time.process_time() - started < 10  # it takes a tenth of that
    assert counts == [5000, 0]
    assert {one.id for one in loaded} == {one.id for one in records}
    assert told[0] == (500, 5009)
    assert told[-1] == (5009, 5009)


def test_a_proxy_is_enabled_and_disabled(engine: Engine) -> None:
    tables.save(engine, PLAIN, "eu", [BARE])

    known = tables.set_mode(engine, "eu", BARE.id, "disabled")

    [record] = tables.load(engine, PLAIN, "eu")
    assert known
    assert not record.enabled
    assert not tables.set_mode(engine, "eu", FULL.id, "")


def test_a_mode_is_kept_by_imports_and_by_disabling(engine: Engine) -> None:
    tables.save(engine, PLAIN, "eu", [BARE])

    tables.set_mode(engine, "eu", BARE.id, "draining")
    tables.save(engine, PLAIN, "eu", [BARE])
    tables.set_mode(engine, "eu", BARE.id, "disabled")

    assert tables.load(engine, PLAIN, "eu") == [
        replace(BARE, enabled=False, mode="draining")
    ]
    tables.set_mode(engine, "eu", BARE.id, "")
    assert tables.load(engine, PLAIN, "eu") == [BARE]


def test_removing_counts_what_was_there(engine: Engine) -> None:
    tables.save(engine, PLAIN, "eu", [FULL, BARE])
    many = [BARE.id, BARE.id, *(f"{n:010}" for n in range(1200))]

    removed = tables.remove(engine, "eu", many)

    assert removed == 1
    assert tables.load(engine, PLAIN, "eu") == [FULL]
    assert tables.remove(engine, "eu", []) == 0


def test_a_sealed_row_shows_no_credentials(engine: Engine) -> None:
    tables.save(engine, SEALED, "eu", [FULL])

    stored = _stored(engine)

    assert "2001:db8::1" in stored
    assert "S3cret" not in stored
    assert "acc0unt" not in stored


def test_without_its_key_a_sealed_row_is_not_read(engine: Engine) -> None:
    tables.save(engine, Sealer([OLD]), "eu", [FULL])

    for sealer in (PLAIN, SEALED):
        with pytest.raises(ConfigurationError, match="LIMPET_STATE_KEYS"):
            tables.load(engine, sealer, "eu")


def test_keys_are_rotated(engine: Engine) -> None:
    tables.save(engine, PLAIN, "eu", [BARE])
    tables.save(engine, Sealer([OLD]), "eu", [FULL])

    count = tables.reseal(engine, Sealer([NEW, OLD]), "eu")

    assert count == 2
    assert tables.load(engine, SEALED, "eu") == [BARE, FULL]
    assert _stored(engine).count("'sealed:") == 2


def test_a_missing_key_changes_nothing(engine: Engine) -> None:
    tables.save(engine, PLAIN, "eu", [BARE])
    tables.save(engine, Sealer([OLD]), "eu", [FULL])
    before = _stored(engine)

    with pytest.raises(ConfigurationError):
        tables.reseal(engine, SEALED, "eu")

    assert _stored(engine) == before


def test_a_resealed_password_is_gone_from_the_file(
    engine: Engine, tmp_path: Path
) -> None:
    tables.save(engine, PLAIN, "eu", [FULL])

    tables.reseal(engine, SEALED, "eu")

    engine.dispose()  # the last one to leave writes the log back
    for file in tmp_path.glob("limpet.db*"):
        assert b"S3cret" not in file.read_bytes()


def test_an_error_of_the_database_shows_no_url(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE proxies"))

    with pytest.raises(Exception, match="no such table") as caught:
        tables.save(engine, PLAIN, "eu", [FULL])

    assert "S3cret" not in str(caught.value)
