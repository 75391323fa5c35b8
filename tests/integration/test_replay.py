"""What a daemon published and what `gaze replay` makes of the same bars are the same bits, hours of the day too."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
import redis

if TYPE_CHECKING:
    from conftest import Gaze

GAZE = Path(sys.executable).with_name("gaze")
SYMBOLS = ("ADAUSDT", "BTCUSDT", "ETHUSDT", "SOLUSDT")
FIRST, LAST = "2025-06-24T00:00", "2025-06-30T23:00"
BARS = len(SYMBOLS) * 7 * 24
STREAM = "gaze:{0}:predictions:rich"
PATIENCE_MS = 200_000


def until_published(client: redis.Redis, count: int) -> int:
    """How many messages came, once there are so many, or once nothing more comes."""
    last, came = b"0", 0
    while came < count:
        answer = client.xread({STREAM: last}, block=PATIENCE_MS)
        if not answer:
            break
        last = answer[0][1][-1][0]
        came += len(answer[0][1])
    return came


@pytest.fixture(scope="module")
def recorded(real_bundle: "Gaze", config_for: Callable[..., str]) -> "Gaze":
    """A week of four symbols, served with a model that reads the time of day; its bars, bundle and store."""
    gaze = real_bundle
    small = [
        "model.options.hidden=8",
        "optimiser.epochs=1",
        "data.features=btc_rich",
        "split.train=0.4",
        "split.validation=0.3",
    ]
    changes = [word for change in small for word in ("--set", change)]
    gaze.run("train", "bitcoin_hourly", "--bars", "bars.parquet", "--out", "rich-run", *changes)
    gaze.run("export", "rich-run", "--out", "rich", "--name", "rich")
    replay = ("--bars", "bars.parquet", "--start", "2025-06-24T01:00", "--speed", "max", "--hold", "--json")
    with gaze.serving("exchange", *replay) as exchange:
        config = config_for(exchange.listens, SYMBOLS, directory="rich-state").replace('"bundle"', '"rich"')
        (gaze.folder / "rich.toml").write_text(config + "[parity]\nwindows_per_minute = 6000\n")
        with gaze.serving("run", "rich.toml", "--json") as daemon:
            socket = gaze.folder / "rich-state" / "redis.sock"
            with redis.Redis(unix_socket_path=str(socket), socket_timeout=None) as client:
                assert until_published(client, BARS) == BARS
            with urllib.request.urlopen(f"{daemon.listens['http']}/metrics", timeout=100) as answer:
                (gaze.folder / "rich.metrics").write_bytes(answer.read())
            assert daemon.stop() == 0
    return gaze


@pytest.mark.timeout(1_200)
def test_the_daemon_ran_on_the_python_that_was_asked_for(recorded: "Gaze"):
    asked = [recorded.edge.with_name("python"), "-c", "import platform; print(platform.python_version())"]
    version = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    assert f'python="{version}"' in (recorded.folder / "rich.metrics").read_text()


@pytest.mark.timeout(1_200)
def test_a_replay_of_the_bars_finds_no_difference_to_what_was_published(recorded: "Gaze"):
    told = recorded.run(
        *("replay", "rich.toml", "--bars", "bars.parquet", "--out", "said.parquet"),
        *("--compare", "rich-state", "--json"),
    )
    report = json.loads(told)
    nothing = {"different": 0, "only_recorded": 0, "only_replayed": 0, "examples": {}}
    assert report["differences"] == {"compared": BARS} | nothing
    written = pl.read_parquet(recorded.folder / "said.parquet")
    assert written.height == report["predictions"] == BARS
    assert written["ts"].min().strftime("%Y-%m-%dT%H:%M") == FIRST  # type: ignore[union-attr]
    assert written["ts"].max().strftime("%Y-%m-%dT%H:%M") == LAST  # type: ignore[union-attr]


@pytest.mark.timeout(1_200)
def test_one_bar_off_by_its_last_bit_is_found_and_ends_with_status_1(recorded: "Gaze", tmp_path: Path):
    bars = pl.read_parquet(recorded.folder / "bars.parquet")
    that = (pl.col("symbol") == "ETHUSDT") & (pl.col("ts").dt.strftime("%Y-%m-%dT%H:%M") == LAST)
    bars = bars.with_columns(pl.when(that).then(pl.col("close") * (1 + 2**-51)).otherwise(pl.col("close")))
    bars.write_parquet(tmp_path / "bars.parquet")
    done = subprocess.run(
        [GAZE, "replay", "rich.toml", "--bars", tmp_path / "bars.parquet", "--compare", "rich-state"],
        cwd=recorded.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert f"{BARS} compared, 1 different, 0 only recorded, 0 only replayed" in done.stdout
    assert "different: ETHUSDT at 1751324400000" in done.stdout


@pytest.mark.timeout(1_200)
def test_live_features_were_found_to_be_those_of_the_bars_in_the_store(recorded: "Gaze"):
    lines = (recorded.folder / "rich.metrics").read_text().splitlines()
    told = dict(line.rsplit(" ", 1) for line in lines if line.startswith("gaze_parity_"))
    assert float(told["gaze_parity_compared_total"]) > 0
    assert float(told["gaze_parity_mismatched_total"]) == 0
