"""How many messages wait: asked for all queues at once."""

from typing import Any

import pytest
from kombu import Connection, Producer
from kombu.transport.redis import Transport as StockTransport
from redis import Redis

from tasks.transport import Transport


@pytest.mark.parametrize("prefix", ["", "shop:"])
def test_all_queues_are_measured_as_kombu_measures_each(
    redis_port: int, prefix: str
) -> None:
    url, options = f"redis://127.0.0.1:{redis_port}/3", {"global_keyprefix": prefix}
    with Redis(port=redis_port, db=3) as client:
        client.flushdb()
        with (
            Connection(url, transport=Transport, transport_options=options) as ours,
            Connection(
                url, transport=StockTransport, transport_options=options
            ) as stock,
        ):
            for number in range(10):
                Producer(stock.channel()).publish(
                    {}, routing_key="scrape", priority=number
                )
            Producer(ours.channel()).publish({}, routing_key="upkeep")
            mine: Any = ours.default_channel
            theirs: Any = stock.default_channel

            found = mine.sizes(["scrape", "upkeep", "none"])

            assert found == {"scrape": 10, "upkeep": 1, "none": 0}
            assert [theirs._size(name) for name in found] == list(found.values())
        client.flushdb()
