"""The examples of extending Gaze, each run as its own text says."""

import subprocess
import sys
from pathlib import Path

import pytest
from runs import HOUR, some_bars, write_parquet

import gaze
from core.barfile import read
from core.bars import Bar
from core.errors import FrameError
from daemon.feeds import FEEDS, feed
from daemon.starter import project

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
QUICK = ("--set", "optimiser.epochs=1", "--set", "window.length=8")


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    project.write(tmp_path, project.contents())
    write_parquet(some_bars(), tmp_path / "bars.parquet")
    return tmp_path


def run(folder: Path, example: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / example, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_feature_of_ones_own_is_trained_exported_and_proven(begun: Path):
    told = ("--bars", "bars.parquet", "--out", "run", "--set", "data.features=with_range", *QUICK)
    run(begun, "custom_feature.py", "train", "recipe.toml", *told)
    run(begun, "custom_feature.py", "export", "run", "--out", "bundle")
    assert "the same bits" in run(begun, "custom_feature.py", "bundle", "verify", "bundle", "--engine", "onnxruntime")


@pytest.mark.slow
def test_a_family_of_ones_own_is_served_by_any_daemon(begun: Path):
    told = ("--bars", "bars.parquet", "--out", "run", "--set", "model.family=last_look")
    run(begun, "custom_family.py", "train", "recipe.toml", *told, "--set", "model.options={hidden = 16}", *QUICK)
    run(begun, "custom_family.py", "export", "run", "--out", "bundle")
    model = gaze.load(begun / "bundle", "onnxruntime")
    assert model.manifest.family == "last_look"
    assert len(model.predict(begun / "bars.parquet")) > 0


def test_a_feed_of_ones_own_is_one_of_them(monkeypatch: pytest.MonkeyPatch, begun: Path):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setitem(FEEDS, "semicolons", "custom_feed:Semicolons")
    own = feed("semicolons", "ws://127.0.0.1:1", "http://127.0.0.1:1")
    rows = read(begun / "bars.parquet").symbols["S0"]
    bars = [
        Bar("S0", int(at), *map(float, row), closed=True)
        for at, row in zip(rows.opened_at_ms[:5], rows.rows[:5], strict=True)
    ]
    body = "\n".join(
        f"{bar.symbol};{bar.opened_at_ms};{bar.open!r};{bar.high!r};{bar.low!r};{bar.close!r};{bar.volume!r};1"
        for bar in bars
    ).encode()
    assert own.decode(body) == bars
    now_ms = bars[3].opened_at_ms + HOUR.ms
    assert own.decode_history("S0", HOUR, body, now_ms) == bars[:4], "the last one is still forming"
    with pytest.raises(FrameError, match="is no bar"):
        own.decode("S0;1;2")
