"""A bar that neither the socket nor history ever brings: its symbol waits, goes on without, and says so."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import polars as pl
import pytest
import redis

from core.prediction import Message

if TYPE_CHECKING:
    from conftest import Gaze

SYMBOLS = ("BTCUSDT", "ETHUSDT")
MISSING = datetime(2025, 6, 25, 12, tzinfo=UTC)
START = datetime(2025, 6, 24, 1, tzinfo=UTC)
HOUR_MS = 3_600_000
HOURS = 7 * 24
WAIT_S = 12
"""While the venue's week passes in a second, history needs as long as ever for the bar that closed as we came."""
BEHIND = 71
"""Later bars whose window reaches back to the missing one."""
STREAM = "gaze:{0}:predictions:real"
PATIENCE_MS = 200_000


def until_published(client: redis.Redis, count: int) -> list[Message]:
    """The messages of the stream once there are so many, or once nothing more comes."""
    messages: list[Message] = []
    last = b"0"
    while len(messages) < count:
        answer = client.xread({STREAM: last}, block=PATIENCE_MS)
        if not answer:
            break
        last = answer[0][1][-1][0]
        messages += [msgspec.json.decode(fields[b"message"], type=Message) for _, fields in answer[0][1]]
    return messages


def expected_bars(broken: str) -> list[tuple[str, int]]:
    """Every bar, but the missing one, and where nothing is said of broken windows, but those behind it."""
    first_ms, missing_ms = int(START.timestamp() * 1_000) - HOUR_MS, int(MISSING.timestamp() * 1_000)
    silent = 1 + (BEHIND if broken == "wait" else 0)
    unsaid = {("ETHUSDT", missing_ms + later * HOUR_MS) for later in range(silent)}
    return [
        (symbol, at_ms)
        for symbol in SYMBOLS
        for at_ms in range(first_ms, first_ms + HOURS * HOUR_MS, HOUR_MS)
        if (symbol, at_ms) not in unsaid
    ]


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("broken", ["fill", "wait"])
def test_a_bar_that_never_comes_is_held_flat_or_waited_for_and_a_replay_says_the_same(
    real_bundle: "Gaze", config_for: Callable[..., str], broken: str
):
    gaze = real_bundle
    there = pl.read_parquet(gaze.folder / "bars.parquet").filter(pl.col("symbol").is_in(SYMBOLS))
    holed = there.filter((pl.col("symbol") != "ETHUSDT") | (pl.col("ts") != MISSING))
    assert holed.height == there.height - 1
    holed.write_parquet(gaze.folder / "holed.parquet")
    wanted = expected_bars(broken)
    start = START.strftime("%Y-%m-%dT%H:%M")
    serve = ("--bars", "holed.parquet", "--start", start, "--speed", "max", "--hold", "--json")
    state = f"holed-{broken}"
    with gaze.serving("exchange", *serve) as exchange:
        config = config_for(exchange.listens, SYMBOLS, directory=state)
        config = config.replace("[feed]\n", f"[feed]\nfill_wait_s = {WAIT_S}\n") + f'[publish]\nbroken = "{broken}"\n'
        (gaze.folder / "holed.toml").write_text(config)
        with gaze.serving("run", "holed.toml", "--json") as daemon:
            with redis.Redis(unix_socket_path=str(gaze.folder / state / "redis.sock"), socket_timeout=None) as client:
                messages = until_published(client, len(wanted))
            assert daemon.stop() == 0
    assert sorted((one.prediction.symbol, one.prediction.opened_at_ms) for one in messages) == wanted
    filled = {
        (one.prediction.opened_at_ms - int(MISSING.timestamp() * 1_000)) // HOUR_MS
        for one in messages
        if one.context.filled
    }
    assert filled == (set(range(1, BEHIND + 1)) if broken == "fill" else set())
    assert {one.prediction.symbol for one in messages if one.context.filled} <= {"ETHUSDT"}
    told = json.loads(gaze.run("replay", "holed.toml", "--bars", "holed.parquet", "--compare", state, "--json"))
    found = told["differences"]
    assert (found["compared"], found["different"]) == (len(wanted), 0)
    assert found["only_recorded"] == found["only_replayed"] == 0
