"""Files as providers, people and other tools write them."""

import json
import time
from datetime import UTC, datetime

import pytest

from proxies import Proxy
from proxies.formats import Format
from proxies.record import ProxyRecord
from proxies.sources import Import, read

HARD = ':p@ss:w/rd#%1"'
ENCODED = "%3Ap%40ss%3Aw%2Frd%23%251%22"
V6 = "2001:db8::1"

HARD_FILES = {
    "url": (Format.LINES, f"socks5h://me:{ENCODED}@[{V6}]:1080"),
    "url as typed": (Format.LINES, f"SOCKS5H://me:{HARD}@[{V6}]:1080"),
    "csv in parts": (
        Format.CSV,
        (
            "scheme,host,port,username,password\n"
            'socks5h,2001:db8::1,1080,me,":p@ss:w/rd#%1"""'
        ),
    ),
    "csv with the password in front": (
        Format.CSV,
        'Pass;User;Protocol;IP;Port\n":p@ss:w/rd#%1""";me;SOCKS5H;[2001:db8::1];1080',
    ),
    "csv with tabs": (
        Format.CSV,
        f"country\turl\n\tsocks5h://me:{ENCODED}@[{V6}]:1080",
    ),
    "json urls": (Format.JSON, json.dumps([f"socks5h://me:{ENCODED}@[{V6}]:1080"])),
    "json parts": (
        Format.JSON,
        json.dumps(
            {
                "proxies": [
                    {
                        "protocol": "socks5h",
                        "host": V6,
                        "port": 1080,
                        "user": "me",
                        "pass": HARD,
                    }
                ]
            },
            indent=2,
        ),
    ),
    "json server": (
        Format.JSON,
        json.dumps(
            [{"server": f"socks5h://[{V6}]:1080", "username": "me", "password": HARD}]
        ),
    ),
    "json lines": (
        Format.JSONL,
        json.dumps({"proxy": f"socks5h://me:{ENCODED}@[{V6}]:1080"}) + "\n{}",
    ),
    "json lines of texts": (
        Format.JSONL,
        json.dumps(f"socks5h://me:{HARD}@[{V6}]:1080"),
    ),
}


def _places(found: Import) -> list[str]:
    return [record.proxy.address for record in found.records]


@pytest.mark.parametrize("name", HARD_FILES)
def test_a_hard_password_and_ipv6_survive_every_format(name: str) -> None:
    form, text = HARD_FILES[name]

    found = read(text)

    assert found.form is form
    [record] = found.records
    assert record.proxy == Proxy("socks5h", V6, 1080, "me")
    assert record.proxy.password == HARD


@pytest.mark.parametrize(
    "line",
    [f"10.0.0.1:80:me:{HARD}", f"me:{HARD}@10.0.0.1:80", f"[{V6}]:80:me:{HARD}"],
)
def test_a_hard_password_survives_without_a_scheme(line: str) -> None:
    [record] = read(line).records

    assert record.proxy.username == "me"
    assert record.proxy.password == HARD


def test_a_password_may_begin_like_a_comment() -> None:
    found = read("password,host,port\n#1,10.0.0.1,80\n")

    assert [record.proxy.password for record in found.records] == ["#1"]


def test_a_list_of_scrapy_rotating_proxies_is_read() -> None:
    text = "# mine\n10.0.0.1:8031\n\n  http://me:pw@10.0.0.2:8032  \r\n"

    found = read(text)

    assert _places(found) == ["http://10.0.0.1:8031", "http://10.0.0.2:8032"]
    assert found.bad == []


FULL = ProxyRecord(
    Proxy("http", "10.0.0.1", 80, "me"),
    country="DE",
    region="Bavaria",
    city="München, Süd",
    asn=3320,
    tags=("mobile", "slow"),
    weight=2.5,
    max_concurrency=4,
    provider="ACME",
    enabled=False,
    expires=datetime(2030, 1, 2, 3, 4, tzinfo=UTC),
)


@pytest.mark.parametrize(
    "text",
    [
        (
            "URL,Country Code,REGION,city,ASN,tags,weight,max-concurrency,provider,"
            'enabled,expires\nme:pw@10.0.0.1:80,de,Bavaria,"München, Süd",AS3320,'
            "Slow|mobile,2.5,4,ACME,No,2030-01-02T03:04Z\n"
        ),
        (
            "host;port;user;pass;country;region;city;asn;tags;weight;max_concurrency;"
            "provider;enabled;expires\n10.0.0.1;80;me;pw;DE; Bavaria ;München, Süd;"
            '3320;"slow;mobile";2.50;4;ACME;false;2030-01-02 04:04:00+01:00'
        ),
        json.dumps(
            [
                {
                    "url": "http://me:pw@10.0.0.1:80",
                    "country": "de",
                    "region": "Bavaria",
                    "city": "München, Süd",
                    "asn": 3320,
                    "tags": ["slow", "mobile", "Slow"],
                    "weight": 2.5,
                    "max_concurrency": 4,
                    "provider": "ACME",
                    "enabled": False,
                    "expires": "2030-01-02T03:04:00",
                }
            ]
        ),
    ],
    ids=["csv", "semicolons", "json"],
)
def test_every_field_is_read(text: str) -> None:
    found = read(text)

    assert (found.records, found.bad, found.unknown) == ([FULL], [], ())
    assert len(found.stated) == 10


def test_a_plain_list_states_nothing_beyond_the_proxies() -> None:
    assert read("10.0.0.1:80").stated == frozenset()


def test_unknown_columns_are_named_once_and_the_rest_is_read() -> None:
    text = "host,port,isp,latency\n10.0.0.1,80,DE,9\n10.0.0.2,80,DE,9\n"

    found = read(text)

    assert found.unknown == ("isp", "latency")
    assert len(found.records) == 2


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# nothing yet\n", "\ufeff", "[]", "url\n"]
)
def test_a_file_may_be_empty(text: str) -> None:
    found = read(text)

    assert (found.records, found.bad, found.repeats) == ([], [], 0)


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.1:80\r\n",
        "host,port\r\n10.0.0.1,80\r\n",
        '["10.0.0.1:80"]',
        '"10.0.0.1:80"',
    ],
)
def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(text: str) -> None:
    assert _places(read("\ufeff" + text)) == ["http://10.0.0.1:80"]


def test_the_format_can_be_forced() -> None:
    found = read("me,pw\n10.0.0.1:80\n", form=Format.CSV)

    assert found.records == []
    assert found.bad[0].reason == "the header names no column url and none host"


def test_of_two_rows_for_one_proxy_the_last_one_counts() -> None:
    found = read(["10.0.0.1:80:me:old", "10.0.0.1:80:me:new"])

    assert [record.proxy.password for record in found.records] == ["new"]
    assert found.repeats == 1


@pytest.mark.parametrize("form", ["lines", "csv", "json"])
def test_thousands_of_rows_are_read_at_once_and_progress_is_told(form: str) -> None:
    places = [f"10.0.{n // 250}.{n % 250}:80:me:pw" for n in range(5000)]
    text = {
        "lines": "\n".join(places),
        "csv": "proxy,country\n" + "\n".join(f"{place},DE" for place in places),
        "json": json.dumps(places),
    }[form]
    told: list[tuple[int, int]] = []
    started = time.process_time()

    found = read(text, progress=lambda done, total: told.append((done, total)))

    assert time.process_time() - started < 3  # it takes a tenth of that
    assert len(found.records) == 5000
    assert told[0] == (1, 5000)
    assert told[-1] == (5000, 5000)
