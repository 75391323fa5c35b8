"""Another version takes over while bars come, a bad one never does, and no prediction is missed or made twice."""

import asyncio
import math
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import onnx
import pytest
import redis.asyncio
from bundles import a_bundle, rewritten
from venues import HOUR, START_MS, Link, Venue

from core.bundle import REFERENCE, Bundle
from core.prediction import Prediction, decode
from daemon.app import serve
from daemon.config import BundleConfig, Config, FeedConfig, HttpConfig, StoreConfig
from daemon.models import LIVE, promote
from daemon.stores.embedded import socket_in

SYMBOLS = ("AAAUSDT", "BBBUSDT", "CCCUSDT")
FIRST = 200
PATIENCE_MS = 100_000
STREAM, COMMANDS = "gaze:{0}:predictions:demo", "gaze:{0}:commands:demo"


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("versions")
    first = a_bundle(folder / "1")
    return {"1": first, "2": rewritten(first, folder / "2", REFERENCE, lambda raw: raw, version="2")}


@pytest.fixture
def models(versions: dict[str, Bundle], tmp_path: Path) -> Path:
    """A model folder in which version 1 serves; 2 is whole, 3 is damaged."""
    folder = tmp_path / "demo"
    for version, bundle in versions.items():
        shutil.copytree(bundle.folder, folder / version)
    shutil.copytree(versions["2"].folder, folder / "3")
    (folder / "3" / "model.onnx").write_bytes(b"damaged")
    promote(folder, "1")
    return folder


class Market:
    """Hours that pass at the venue, and what the daemon says of them."""

    def __init__(self, venue: Venue, link: Link, client: redis.asyncio.Redis) -> None:
        self._venue, self._link, self._client = venue, link, client
        self.hour, self.said, self._last = FIRST, list[Prediction](), "0"

    async def pass_hours(self, count: int = 1) -> None:
        for _ in range(count):
            self._venue.turn_to(self.hour + 1, 1)
            await self._link.tell(*(self._venue.bar(symbol, self.hour) for symbol in SYMBOLS))
            self.hour += 1

    async def ask(self, *commands: str) -> None:
        await self._client.rpush(COMMANDS, *commands)

    async def until(self, enough: Callable[[], bool]) -> None:
        """Read until there is enough; an hour passes whenever all was said of those before."""
        while not enough():
            if len(self.said) >= (self.hour - FIRST) * len(SYMBOLS):
                await self.pass_hours()
            answer = await self._client.xread({STREAM: self._last}, block=PATIENCE_MS)
            assert answer, f"nothing more after {len(self.said)} predictions"
            entries = answer[0][1]
            self._last = entries[-1][0]
            self.said += [decode(fields[b"message"]).prediction for _, fields in entries]

    def versions(self) -> list[str]:
        """Which versions said something, in turn."""
        told = [one.version for one in self.said]
        return [one for at, one in enumerate(told) if at == 0 or told[at - 1] != one]

    def bars(self) -> list[tuple[str, float]]:
        return sorted((one.symbol, one.close) for one in self.said)

    def expected(self) -> list[tuple[str, float]]:
        """Every bar since the first that was predicted, once."""
        first = min(self.hour, *((one.opened_at_ms - START_MS) // HOUR.ms for one in self.said))
        return sorted(
            (symbol, self._venue.bar(symbol, hour).close) for symbol in SYMBOLS for hour in range(first, self.hour)
        )


@asynccontextmanager
async def a_market(venue: Venue, models: Path, state: Path) -> AsyncIterator[Market]:
    """A daemon that serves the model folder, on a venue whose hours pass as the test likes."""
    venue.turn_to(FIRST, 1)
    for symbol in SYMBOLS:
        venue.keep_hours(symbol, range(FIRST))
    config = Config(
        BundleConfig(str(models)),
        FeedConfig(SYMBOLS, websocket_url=venue.websocket_url, rest_url=venue.rest_url),
        store=StoreConfig(directory=str(state)),
        http=HttpConfig(port=0),
    )
    started = asyncio.Event()
    serving = asyncio.create_task(serve(config, lambda _: started.set()))
    async with asyncio.timeout(250):
        await started.wait()
        link = await venue.next_link()
        client = redis.asyncio.Redis(unix_socket_path=str(socket_in(state)))
        yield Market(venue, link, client)
        await client.aclose()
        if not serving.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await serving


async def test_a_version_takes_over_in_the_middle_of_a_burst_and_every_bar_is_predicted_once(
    venue: Venue, models: Path, tmp_path: Path
):
    async with a_market(venue, models, tmp_path / "state") as market:
        await market.until(lambda: len(market.said) >= 2 * len(SYMBOLS))
        await market.pass_hours(20)
        promote(models, "2")
        await market.pass_hours(20)
        await market.until(lambda: "2" in market.versions())
        await market.pass_hours(5)
        await market.until(lambda: len(market.said) >= len(market.expected()))
        assert market.versions() == ["1", "2"]
        assert market.bars() == market.expected()


async def test_a_command_in_redis_serves_another_version_and_a_bad_one_is_rolled_back(
    venue: Venue, models: Path, tmp_path: Path
):
    async with a_market(venue, models, tmp_path / "state") as market:
        await market.until(lambda: len(market.said) >= 2 * len(SYMBOLS))
        await market.ask("serve 3", "serve ../elsewhere", "serve 2")
        await market.until(lambda: "2" in market.versions())
        await market.until(lambda: len(market.said) >= len(market.expected()))
        assert market.versions() == ["1", "2"]
        assert market.bars() == market.expected()
        assert (models / LIVE).read_text() == "2\n"


def failing(table: list[float]) -> Callable[[bytes], bytes]:
    """A change of a graph: right on its golden bars, but of a bar whose volume is its usual one the entry of this
    table behind the first, which is not there or no number."""

    def changed(content: bytes) -> bytes:
        model = onnx.load_model_from_string(content)
        graph = model.graph
        for node in graph.node:
            node.output[:] = ["said" if name == "return_1" else name for name in node.output]
        constants = {
            "newest": np.array(-1),
            "volume": np.array(1),
            "usual": np.array(math.log(2), np.float32),
            "about": np.array(1e-6, np.float32),
            "table": np.array(table, np.float32),
        }
        graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in constants.items())
        node = onnx.helper.make_node
        graph.node.extend(
            [
                node("Gather", ["bars", "newest"], ["row"], axis=1),
                node("Gather", ["row", "volume"], ["relative"], axis=1),
                node("Sub", ["relative", "usual"], ["apart"]),
                node("Abs", ["apart"], ["distance"]),
                node("Less", ["distance", "about"], ["is_usual"]),
                node("Cast", ["is_usual"], ["place"], to=onnx.TensorProto.INT64),
                node("Gather", ["table", "place"], ["factor"]),
                node("Mul", ["said", "factor"], ["return_1"]),
            ]
        )
        return bytes(model.SerializeToString(deterministic=True))

    return changed


@pytest.mark.parametrize("table", [[1.0], [1.0, math.nan]], ids=["it raises", "it says no number"])
async def test_a_version_that_fails_after_it_took_over_is_rolled_back_and_every_bar_is_predicted_once(
    versions: dict[str, Bundle],
    venue: Venue,
    models: Path,
    tmp_path: Path,
    table: list[float],
    caplog: pytest.LogCaptureFixture,
):
    rewritten(versions["1"], models / "4", "model.onnx", failing(table), version="4")
    async with a_market(venue, models, tmp_path / "state") as market:
        await market.until(lambda: len(market.said) >= 2 * len(SYMBOLS))
        await market.ask("serve 4")
        await market.until(lambda: "rolled back, the version before serves again" in caplog.text)
        await market.until(lambda: len(market.said) >= len(market.expected()))
        assert market.versions() == ["1"]
        assert market.bars() == market.expected()
        assert (models / LIVE).read_text() == "1\n"
        await market.ask("serve 2")
        await market.until(lambda: "2" in market.versions())
        assert market.versions() == ["1", "2"]
