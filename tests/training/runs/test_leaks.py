"""What training knew of the test part is named, and an honest run is not accused."""

from pathlib import Path

import msgspec
import pytest
from runs import a_recipe, a_run, some_bars, write_parquet
from typer.testing import CliRunner

from training import job
from training.cli import app
from training.data.dataset import Samples
from training.runs.leaks import leaks
from training.runs.run import Run, load


@pytest.fixture(scope="module")
def shuffled(bars_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return a_run(a_recipe("split.shuffled=true"), bars_path, tmp_path_factory.mktemp("shuffled") / "run")


@pytest.mark.parametrize("purge", ["bars", "labels"])
@pytest.mark.parametrize("horizon", [1, 12])
def test_an_honest_split_has_no_leak(purge: str, horizon: int, bars_path: Path, tmp_path: Path):
    made = a_run(a_recipe(f"split.purge={purge}", f"label.horizons=[{horizon}]"), bars_path, tmp_path / "run")
    assert made.evaluation.leaks == ()
    assert job.evaluate(made, bars_path).leaks == ()


def test_what_is_not_normalised_is_not_accused_and_longer_bars_are_looked_at_too(bars_path: Path, tmp_path: Path):
    assert a_run(a_recipe("data.normalise=false"), bars_path, tmp_path / "plain").evaluation.leaks == ()
    scaled = a_recipe("data.scales=['4h']", "data.scale_length=4", "model.family=hybrid_lstm", "split.purge=labels")
    options = {"windows": [4], "hidden": 8, "heads": 2}
    recipe = msgspec.structs.replace(scaled, model=msgspec.structs.replace(scaled.model, options=options))
    made = a_run(recipe, bars_path, tmp_path / "scaled")
    assert made.evaluation.leaks == ()
    samples, _, parts = job.unseen(made, bars_path)
    made.model.normalise_scales[0].mean.add_(made.model.normalise_scales[0].std)
    (told,) = leaks(recipe, made.facts, made.model, samples, parts)
    assert told.startswith("normalise_scales.0 has the mean and deviation not")


def test_a_shuffled_split_is_named_as_leaking_wherever_its_scores_are_told(shuffled: Run, bars_path: Path):
    assert "split.shuffled" in shuffled.evaluation.leaks[0]
    assert any("windows judged end before the last that was trained on" in told for told in shuffled.evaluation.leaks)
    result = CliRunner().invoke(app, ["evaluate", str(shuffled.folder), "--bars", str(bars_path)])
    assert result.output.startswith("LEAK: split.shuffled")
    assert "not to be believed" in result.output


def test_a_shuffled_run_is_judged_on_the_windows_that_it_called_its_test(shuffled: Run, bars_path: Path):
    evaluation = job.evaluate(shuffled, bars_path)
    assert evaluation.windows == shuffled.training.rows["test"]
    assert evaluation.scores == shuffled.evaluation.scores


def test_windows_that_end_before_the_training_does_are_counted(trained: Run, bars_path: Path):
    samples, _, parts = job.unseen(trained, bars_path)
    assert parts is not None
    early = Samples(samples.panel, parts.train.ends_N[-5:])
    (told,) = leaks(trained.recipe, trained.facts, trained.model, early, parts)[:1]
    assert told.startswith("5 of the 5 windows")


def test_labels_that_look_into_the_test_part_are_named(trained: Run, bars_path: Path):
    samples, _, parts = job.unseen(trained, bars_path)
    hour, first = 3_600_000, int(samples.opened_at_ms.min())
    for part, done in (("train", "trained on"), ("validation", "chosen on")):
        for further, expected in ((0, False), (1, True)):
            spans = trained.training.spans | {part: (0, first + further * hour)}
            facts = msgspec.structs.replace(
                trained.facts, training=msgspec.structs.replace(trained.training, spans=spans)
            )
            told = leaks(trained.recipe, facts, trained.model, samples, parts)
            assert any(one.startswith(f"labels {done} look ahead") for one in told) == expected


def test_a_normalisation_that_knew_the_test_part_is_named(trained: Run, bars_path: Path):
    samples, _, parts = job.unseen(trained, bars_path)
    assert parts is not None
    model = load(trained.folder).model
    whole = Samples(parts.train.panel, parts.train.panel.ends_N)
    model.normalise.fit(whole.feature_rows())
    (told,) = leaks(trained.recipe, trained.facts, model, samples, parts)
    assert told == "normalise has the mean and deviation also of the windows judged"
    model.normalise.mean.add_(model.normalise.std)
    (told,) = leaks(trained.recipe, trained.facts, model, samples, parts)
    assert told == "normalise has the mean and deviation not of the training part alone"


def test_on_later_bars_of_another_file_only_time_can_tell(trained: Run, tmp_path: Path):
    other = write_parquet(some_bars(symbols=6, bars=900, seed=0), tmp_path / "longer.parquet")
    samples, _, parts = job.unseen(trained, other)
    assert parts is None
    assert leaks(trained.recipe, trained.facts, trained.model, samples, parts) == ()
