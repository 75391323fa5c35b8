"""External records in a training: joined by when they became known, kept in the run, proven in the bundle."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from runs import HOUR, START_MS, a_recipe, a_run, some_bars, write_parquet

from core import golden
from core.errors import ConfigError, DataError
from export.golden import make
from export.run import describe, read_sample
from training import job, recipe
from training.data.dataset import Samples
from training.data.panel import panel
from training.data.windows import Windows
from training.explain import subject
from training.explain.predictions import make_panel
from training.recipe import Recipe

EXTERNAL = '[{name="mood", kind="series", reach="1d", delay_s=60.0}, {name="fair", kind="event", reach="1w"}]'


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """A mood every seven hours, of S1 its own every eleven, and three fairs."""
    chance = np.random.default_rng(3)
    told = [{"name": "mood", "known_at": START_MS + h * HOUR.ms, "value": chance.normal()} for h in range(0, 600, 7)]
    told += [
        {"name": "mood", "known_at": START_MS + h * HOUR.ms, "value": chance.normal(), "symbol": "S1"}
        for h in range(3, 600, 11)
    ]
    told += [
        {"name": "fair", "known_at": START_MS + h * HOUR.ms, "at": START_MS + (h + 50) * HOUR.ms} for h in (5, 200, 400)
    ]
    path = tmp_path / "records.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in told))
    return path


def with_records(path: Path, *changes: str) -> Recipe:
    return a_recipe(f"data.records={path}", f"data.external={EXTERNAL}", *changes)


def test_a_window_holds_what_was_known_when_each_of_its_bars_closed(records: Path):
    made = panel(some_bars(), with_records(records))
    assert made.names[3:] == ("mood", "mood_known", "fair_until", "fair_since")
    windows = Windows(made, torch.device("cpu")).features(torch.from_numpy(made.ends_N)).numpy()
    told = [json.loads(line) for line in records.read_text().splitlines()]
    for row in (0, 100, len(windows) - 1):
        end = made.ends_N[row]
        symbol = made.symbols[made.symbol_R[end]]
        closed_ms = int(made.opened_at_ms_R[end]) + HOUR.ms
        moods = [
            (one["known_at"], one["value"])
            for one in told
            if one["name"] == "mood" and one.get("symbol", symbol) == symbol and one["known_at"] + 60_000 <= closed_ms
        ]
        assert windows[row, -1, 3] == np.float32(max(moods)[1])


def test_what_became_known_later_changes_no_window(records: Path):
    file, at = some_bars(), 400
    before = panel(file, with_records(records))
    with records.open("a") as more:
        more.write(json.dumps({"name": "mood", "known_at": START_MS + at * HOUR.ms, "value": 99.0}) + "\n")
    after = panel(file, with_records(records))
    hour_R = (before.opened_at_ms_R - START_MS) // HOUR.ms
    np.testing.assert_array_equal(before.features_RF[hour_R < at], after.features_RF[hour_R < at])
    assert (before.features_RF[hour_R == at, 3] != after.features_RF[hour_R == at, 3]).all()


@pytest.mark.parametrize("window", [(), ("window.kind=expanding", "window.minimum=3")])
def test_a_bundle_is_given_the_rows_that_its_run_learned_from(tmp_path: Path, records: Path, window: tuple[str, ...]):
    family = ("model.family=hybrid_lstm", "model.options={windows=[4], hidden=8, heads=2}") if window else ()
    bars = write_parquet(some_bars(), tmp_path / "bars.parquet")
    trained = a_run(with_records(records, "label.kind=direction", *window, *family), bars, tmp_path / "run")
    manifest = describe(trained, "mood", "1")
    sample, _ = read_sample(tmp_path / "run")
    made = make(trained.model, manifest, sample)["input.features"]
    whole = panel(some_bars(), trained.recipe)
    samples = Samples(whole, whole.ends_N)
    rows = [
        int(np.flatnonzero((samples.opened_at_ms == at) & (whole.symbol_R[whole.ends_N] == int(symbol[1:])))[0])
        for at, symbol in zip(sample["opened_at_ms"], sample["symbol"], strict=True)
    ]
    learned = Windows(whole, torch.device("cpu")).features(torch.from_numpy(whole.ends_N[rows])).numpy()
    assert made.tobytes() == learned.tobytes()
    assert manifest.training.external_fingerprint == whole.external_fingerprint != ""
    assert manifest.inputs[0].external[0].delay_ms == 60_000
    assert golden.features(manifest, sample)["features"].shape[2] == len(manifest.inputs[0].features) == 7


def test_a_run_is_judged_with_its_own_records_or_others(tmp_path: Path, records: Path):
    bars = write_parquet(some_bars(), tmp_path / "bars.parquet")
    trained = a_run(with_records(records), bars, tmp_path / "run")
    assert recipe.read(str(tmp_path / "run" / "recipe.toml")) == trained.recipe
    assert job.evaluate(trained, bars) == trained.evaluation
    other = tmp_path / "other.jsonl"
    other.write_text(records.read_text().replace('"value": -', '"value": '))
    assert job.evaluate(trained, bars, records=str(other)) != trained.evaluation


def test_an_explanation_reads_the_records_of_training_or_others(tmp_path: Path, records: Path):
    bars = write_parquet(some_bars(), tmp_path / "bars.parquet")
    known = subject.read(a_run(with_records(records), bars, tmp_path / "run").folder)
    other = tmp_path / "other.jsonl"
    other.write_text(records.read_text().replace('"value": -', '"value": '))
    read = [
        make_panel(one, some_bars(), ()).features_RF for one in (known, known.reading(""), known.reading(str(other)))
    ]
    np.testing.assert_array_equal(read[0], read[1])
    assert (read[0][:, 3] != read[2][:, 3]).any()
    np.testing.assert_array_equal(read[0][:, :3], read[2][:, :3])


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ('data.records=""', ConfigError, "a file of records"),
        ('data.external=[{name="rain", kind="series", reach="1d"}]', DataError, "no record of rain, it has fair, mood"),
        ('data.external=[{name="mood", kind="series", reach="soon"}]', ConfigError, "soon"),
        ('data.external=[{name="mood", kind="series", range="1d"}]', ConfigError, "range"),
    ],
)
def test_what_cannot_be_joined_is_refused(records: Path, change: str, error: type[Exception], said: str):
    with pytest.raises(error, match=said):
        panel(some_bars(), with_records(records, change))
