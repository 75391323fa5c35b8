"""A prediction that the live daemon made is explained by its id, and what is explained is what was published."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import redis

from core.prediction import Message, decode

if TYPE_CHECKING:
    from conftest import Gaze

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
STREAM = "gaze:{0}:predictions:real"
PATIENCE_MS = 200_000
HOURS = 40


def published(client: redis.Redis, count: int) -> list[Message]:
    """The first so many messages, once they came."""
    last, came = b"0", []
    while len(came) < count:
        answer = client.xread({STREAM: last}, block=PATIENCE_MS)
        assert answer, f"only {len(came)} predictions came"
        last = answer[0][1][-1][0]
        came += [decode(fields[b"message"]) for _, fields in answer[0][1]]
    return came


@pytest.fixture(scope="module")
def served(real_bundle: "Gaze", config_for: Callable[..., str]) -> tuple["Gaze", list[Message], str]:
    """Forty hours of three symbols, served; what was published, and what explain said of one while it ran."""
    gaze = real_bundle
    replay = ("--bars", "bars.parquet", "--start", "2025-06-29T08:00", "--speed", "max", "--hold", "--json")
    with gaze.serving("exchange", *replay) as exchange:
        config = config_for(exchange.listens, SYMBOLS, directory="asked-state")
        (gaze.folder / "asked.toml").write_text(config)
        with gaze.serving("run", "asked.toml", "--json") as daemon:
            socket = gaze.folder / "asked-state" / "redis.sock"
            with redis.Redis(unix_socket_path=str(socket), socket_timeout=None) as client:
                messages = published(client, HOURS * len(SYMBOLS))
            asked = messages[-1].prediction.id
            where = ("--store", "asked-state", "--out", "live")
            told = gaze.run("explain", "bundle", "--id", asked, *where, "--json")
            assert daemon.stop() == 0
    return gaze, messages, told


def test_the_attention_in_the_report_is_the_streams_bit_for_bit(served: tuple["Gaze", list[Message], str]):
    gaze, messages, said = served
    prediction = messages[-1].prediction
    report = json.loads(said)
    recorded = report["recorded"]
    assert (recorded["id"], recorded["same_bits"]) == (prediction.id, True)
    assert set(recorded["off"].values()) == {0.0}
    stream = np.frombuffer(prediction.gaze["attention"].weights, "<f4")
    assert np.array(recorded["attention"]["attention"]["weights"], np.float32).tobytes() == stream.tobytes()
    case = report["cases"][0]
    assert case["kinds"][0] == "asked for"
    assert case["symbol"] == prediction.symbol
    assert np.array(case["looks"][0]["weights"], np.float32).tobytes() == stream.tobytes()
    assert case["forecast"] == prediction.outputs["return_1"]
    # Of the store's bars alone there are other windows too, by which one sees what is usual.
    assert report["predictions"] > len(SYMBOLS)
    assert "is the same to the last bit" in (gaze.folder / "live" / "report.txt").read_text()


def test_once_the_daemon_has_ended_its_settings_lead_to_any_prediction_on_a_file_of_bars(
    served: tuple["Gaze", list[Message], str],
):
    gaze, messages, _ = served
    prediction = messages[4].prediction
    told = gaze.run(
        *("explain", "--id", prediction.id, "--config", "asked.toml", "--bars", "bars.parquet"),
        *("--limit", "200", "--out", "later", "--json"),
    )
    report = json.loads(told)
    assert report["recorded"]["same_bits"]
    stream = np.frombuffer(prediction.gaze["attention"].weights, "<f4")
    weights = report["cases"][0]["looks"][0]["weights"]
    assert np.array(weights, np.float32).tobytes() == stream.tobytes()


def test_the_run_behind_the_bundle_says_the_same_but_for_its_last_bits(served: tuple["Gaze", list[Message], str]):
    gaze, messages, _ = served
    where = ("--id", messages[-1].prediction.id, "--config", "asked.toml", "--out", "of-run", "--limit", "50")
    report = json.loads(gaze.run("explain", "run", *where, "--json"))
    assert report["methods"] == ["occlusion", "input x gradient", "integrated gradients"]
    assert max(report["recorded"]["off"].values()) < 1e-4


def test_other_bars_than_the_daemons_are_noticed(served: tuple["Gaze", list[Message], str], tmp_path: Path):
    import polars as pl

    gaze, messages, _ = served
    prediction = messages[-1].prediction
    bars = pl.read_parquet(gaze.folder / "bars.parquet")
    old = pl.col("ts").dt.epoch("ms") < prediction.opened_at_ms
    bars.with_columns(pl.when(old).then(pl.col("volume") * 3).otherwise("volume")).write_parquet(
        tmp_path / "bars.parquet"
    )
    words = ("explain", "bundle", "--id", prediction.id, "--store", "asked-state", "--out", str(tmp_path / "out"))
    done = subprocess.run(
        [gaze.command, *words, "--bars", str(tmp_path / "bars.parquet"), "--limit", "50"],
        cwd=gaze.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "NOT the prediction that was published" in done.stdout
