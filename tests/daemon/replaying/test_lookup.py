"""One prediction is found again by its id, with the bars that the store still has."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from builders import HOUR, a_message
from redis.asyncio import Redis

from core.bars import Bar
from core.errors import DataError, UsageError
from core.prediction import encode
from core.windows import Windows
from daemon.replaying.lookup import look_up
from daemon.stores import ring
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys

KEYS = Keys("demo")
MESSAGES = [a_message(number) for number in range(1, 2_300)]


def bar(symbol: str, number: int) -> Bar:
    return Bar(symbol, number * HOUR.ms, 2.0, 3.0, 1.0, 2.0 + number / 8, 10.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a daemon that has ended: a stream of 2,299 predictions, rings of two symbols, one with a hole."""
    folder = tmp_path_factory.mktemp("store")
    windows = Windows(HOUR, ["BTCUSDT", "ETHUSDT"], 8)
    for symbol, numbers in (("BTCUSDT", range(2_290, 2_300)), ("ETHUSDT", (2_296, 2_297, 2_299))):
        for number in numbers:
            windows.put(bar(symbol, number))

    async def write() -> None:
        async with EmbeddedServer(folder) as server, Redis.from_url(server.url) as client:
            pipeline = client.pipeline(transaction=False)
            for message in MESSAGES:
                pipeline.xadd(KEYS.stream, {"message": encode(message)})
            for position, symbol in enumerate(windows.symbols):
                rows = ring.rows(windows, slice(position, position + 1))
                pipeline.set(KEYS.ring("1h", 8, symbol), rows.tobytes())
            await pipeline.execute()

    asyncio.run(write())
    return folder


@pytest.mark.parametrize("number", [1, 1_000, 2_299])
def test_a_prediction_is_found_however_far_back_it_lies(folder: Path, number: int):
    message = MESSAGES[number - 1]
    assert look_up(message.prediction.id, str(folder), "0").message == message


def test_the_bars_of_all_symbols_come_with_it_oldest_first(folder: Path):
    found = look_up(MESSAGES[-1].prediction.id, str(folder), "0").bars
    assert list(found.symbols) == ["BTCUSDT", "ETHUSDT"]
    part = found.symbols["BTCUSDT"]
    assert (part.opened_at_ms // HOUR.ms).tolist() == list(range(2_292, 2_300))
    assert part.rows.tolist() == [list(bar("BTCUSDT", number).row) for number in range(2_292, 2_300)]
    assert (found.symbols["ETHUSDT"].opened_at_ms // HOUR.ms).tolist() == [2_296, 2_297, 2_299]


def test_holes_that_the_daemon_held_flat_are_held_flat_again(folder: Path):
    told = a_message(9_999, symbol="ETHUSDT", filled=1)

    async def add() -> None:
        async with EmbeddedServer(folder) as server, Redis.from_url(server.url) as client:
            await client.xadd(KEYS.stream, {"message": encode(told)})

    asyncio.run(add())
    part = look_up(told.prediction.id, str(folder), "0").bars.symbols["ETHUSDT"]
    assert (part.opened_at_ms // HOUR.ms).tolist() == [2_296, 2_297, 2_298, 2_299]
    close = bar("ETHUSDT", 2_297).close
    np.testing.assert_array_equal(part.rows[2], [close, close, close, close, 0.0])


def test_an_id_that_nobody_made_and_a_place_that_is_none_are_refused(folder: Path, tmp_path: Path):
    with pytest.raises(DataError, match="no prediction with id 'abc' among the 2,"):
        look_up("abc", str(folder), "0")
    with pytest.raises(DataError, match="among the 0 that shard other holds"):
        look_up(MESSAGES[0].prediction.id, str(folder), "other")
    with pytest.raises(UsageError, match="holds no store"):
        look_up("abc", str(tmp_path / "nowhere"), "0")
