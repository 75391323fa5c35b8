"""A month of real bars through the real daemon: every bar once, every number the same when computed without Gaze."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import redis

from core.barfile import read
from core.prediction import Message

if TYPE_CHECKING:
    from conftest import Gaze

START = datetime(2025, 6, 1, tzinfo=UTC)
RECOMPUTE = Path(__file__).resolve().parents[2] / "examples" / "recompute.py"
STREAM = "gaze:{0}:predictions:real"
HOUR_MS = 3_600_000
PATIENCE_MS = 200_000


def until_published(client: redis.Redis, count: int) -> list[Message]:
    """The messages of the stream once there are so many, or once nothing more comes."""
    messages: list[Message] = []
    last = b"0"
    while len(messages) < count:
        answer = client.xread({STREAM: last}, block=PATIENCE_MS)
        if not answer:
            break
        entries = answer[0][1]
        last = entries[-1][0]
        messages += [msgspec.json.decode(fields[b"message"], type=Message) for _, fields in entries]
    return messages


@pytest.mark.timeout(1_200)
def test_every_bar_of_a_month_is_predicted_once_and_recomputed_to_the_bit_without_gaze(
    real_bundle: "Gaze", config_for: Callable[..., str]
):
    gaze, bars = real_bundle, read(real_bundle.folder / "bars.parquet")
    first_ms = int(START.timestamp() * 1_000) - HOUR_MS
    expected = {(name, int(at)) for name, one in bars.symbols.items() for at in one.opened_at_ms if at >= first_ms}
    start = START.strftime("%Y-%m-%dT%H:%M")
    replay = ("--bars", "bars.parquet", "--start", start, "--speed", "max", "--hold", "--json")
    with gaze.serving("exchange", *replay) as exchange:
        (gaze.folder / "gaze.toml").write_text(config_for(exchange.listens, bars.symbols))
        with gaze.serving("run", "gaze.toml", "--json") as daemon:
            server = gaze.folder / "state" / "redis.sock"
            with redis.Redis(unix_socket_path=str(server), socket_timeout=None) as client:
                messages = until_published(client, len(expected))
                told = (gaze.folder / "bundle", gaze.folder / "bars.parquet", f"unix://{server}", STREAM)
                recomputed = subprocess.run(
                    [sys.executable, RECOMPUTE, *told], capture_output=True, text=True, check=False
                )
            assert daemon.stop() == 0
    replayed = json.loads(gaze.run("replay", "gaze.toml", "--bars", "bars.parquet", "--compare", "state", "--json"))[
        "differences"
    ]
    assert (replayed["compared"], replayed["different"]) == (len(expected), 0)
    assert replayed["only_recorded"] == replayed["only_replayed"] == 0
    published = Counter((message.prediction.symbol, message.prediction.opened_at_ms) for message in messages)
    assert set(published) == expected
    assert set(published.values()) == {1}
    assert recomputed.stdout.strip() == f"{len(expected)} predictions, 0 doubled, 0 numbers different"
    assert recomputed.returncode == 0
