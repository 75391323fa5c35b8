"""examples/consumer.mjs against what the store writes."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from builders import HOUR, a_message

from core.prediction import encode
from daemon.ports import Entry
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "consumer.mjs"
BAR = (100.0, 110.0, 90.0, 105.0, 12.5)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with its one package beside it."""
    if shutil.which("npm") is None:
        pytest.skip("Node.js is not installed")
    folder = tmp_path_factory.mktemp("node")
    words = ("npm", "install", "--silent", "--no-audit", "--no-fund", "redis@5")
    subprocess.run(words, cwd=folder, check=True, capture_output=True, timeout=300)
    return Path(shutil.copy(EXAMPLE, folder))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with EmbeddedServer(tmp_path / "state") as running:
        yield running


@pytest.fixture
async def store(server: EmbeddedServer) -> AsyncIterator[RedisStore]:
    opened = RedisStore(server.url, Keys("btc"), HOUR, 8, stream_maxlen=100, answer_s=60)
    await opened.open()
    yield opened
    await opened.close()


async def shown(script: Path, server: EmbeddedServer, count: int) -> list[str]:
    told = ["node", str(script), server.url.removeprefix("unix://"), "btc", str(count)]
    process = await asyncio.create_subprocess_exec(
        *told, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            out, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode == 0, complaints.decode()
    return out.decode().splitlines()


@pytest.mark.slow
async def test_it_shows_each_prediction_once_over_two_runs(script: Path, server: EmbeddedServer, store: RedisStore):
    await store.commit([Entry("BTCUSDT", 480_000 * HOUR.ms, 0, BAR, encode(a_message(480_000)))])
    [line] = await shown(script, server, 1)
    assert line.startswith("BTCUSDT return_1")
    assert "bars ago" in line
    await store.commit([Entry("ETHUSDT", 480_000 * HOUR.ms, 0, BAR, encode(a_message(480_000, "ETHUSDT")))])
    [line] = await shown(script, server, 1)
    assert line.startswith("ETHUSDT")
