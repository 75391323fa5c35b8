"""Runs side by side: on the same windows, over the same draws, and only where they mean the same."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from runs import a_recipe, a_run, some_bars, write_parquet
from typer.testing import CliRunner

from core.errors import DataError, UsageError
from training.cli import app
from training.data.dataset import Samples
from training.many import comparing
from training.many.comparing import Compared
from training.runs import peeks
from training.runs.run import Run


def value(found: Compared, measure: str, run: str):
    (score,) = [one for one in found.scores if (one.measure, one.predictor) == (measure, run)]
    return score


@pytest.fixture(scope="module")
def other(bars_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Another family, with a window twice as long."""
    recipe = a_recipe("model.family=tcn", "model.options={channels=4, blocks=2}", "window.length=16")
    return a_run(recipe, bars_path, tmp_path_factory.mktemp("runs") / "other")


def test_runs_are_judged_on_the_windows_that_both_may_be_judged_on(trained: Run, other: Run, bars_path: Path):
    found = comparing.compare([trained, other], bars_path)
    assert [one.name for one in found.runs] == ["tiny", "other"]
    assert found.windows <= min(trained.evaluation.windows, other.evaluation.windows)
    assert found.windows > 0.9 * other.evaluation.windows
    assert all(not one.leaks for one in found.runs)
    assert value(found, "mse", "tiny").value == pytest.approx(
        next(one.value for one in trained.scores if (one.measure, one.predictor) == ("mse", "model")), rel=0.1
    )


def test_a_difference_is_that_of_the_scores_with_an_interval_far_narrower_than_theirs(
    trained: Run, other: Run, bars_path: Path
):
    found = comparing.compare([trained, other], bars_path)
    (mse,) = (one for one in found.differences if one.measure == "mse")
    assert (mse.run, mse.against) == ("other", "tiny")
    first, second = value(found, "mse", "tiny"), value(found, "mse", "other")
    assert mse.difference == pytest.approx(second.value - first.value)
    # Both miss the same outcomes: what they have in common falls out of the difference.
    assert mse.high - mse.low < (first.high - first.low) / 5
    assert mse.low < mse.difference < mse.high


def test_a_run_with_foresight_is_recommended_and_the_smaller_of_two_that_are_alike(
    trained: Run, other: Run, bars_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (alike,) = comparing.compare([trained, other], bars_path).recommendations
    small = min((trained, other), key=lambda run: run.facts.parameters)
    assert "cannot be told apart in MSE" in alike
    assert alike.endswith(f"take {small.folder.name}, the smallest ({small.facts.parameters:,} parameters).")

    def foresight(model: object, samples: Samples, _: object):
        said = {one.name: samples.target(one).astype(np.float32) for one in samples.panel.outputs}
        return {name: values if model is other.model else values + 0.01 for name, values in said.items()}

    monkeypatch.setattr(comparing, "predict", foresight)
    (told,) = comparing.compare([trained, other], bars_path).recommendations
    assert told.startswith("return_1: take other, better than every other in MSE")


def test_runs_of_other_bars_or_labels_or_with_nothing_in_common_are_refused(
    trained: Run, bars_path: Path, tmp_path: Path
):
    bars = write_parquet(some_bars(symbols=6, seed=9), tmp_path / "bars.parquet")
    strange = a_run(a_recipe(), bars, tmp_path / "strange")
    with pytest.raises(DataError, match="trained on other bars"):
        comparing.compare([trained, strange], bars_path)
    elsewhere = a_run(a_recipe("label.kind=direction"), bars_path, tmp_path / "elsewhere")
    with pytest.raises(DataError, match="nothing in common"):
        comparing.compare([trained, elsewhere], bars_path)
    dead = a_run(a_recipe("label.kind=direction", "label.dead_zone=0.001"), bars_path, tmp_path / "dead")
    with pytest.raises(DataError, match=r"beyond 0 log return in elsewhere and .* beyond 0\.001"):
        comparing.compare([elsewhere, dead], bars_path)
    with pytest.raises(UsageError, match="nothing to be compared with"):
        comparing.compare([trained], bars_path)
    with pytest.raises(UsageError, match="given twice"):
        comparing.compare([trained, trained], bars_path)


def test_a_run_that_leaks_is_named_and_not_recommended(trained: Run, bars_path: Path, tmp_path: Path):
    shuffled = a_run(a_recipe("split.shuffled=true"), bars_path, tmp_path / "shuffled")
    found = comparing.compare([trained, shuffled], bars_path)
    assert found.runs[1].leaks
    assert found.recommendations[0].startswith("return_1: take tiny")


def test_the_command_tells_tables_and_words_writes_a_folder_and_counts_a_look(
    trained: Run, other: Run, bars_path: Path, tmp_path: Path
):
    words = [
        "compare",
        str(trained.folder),
        str(other.folder),
        "--bars",
        str(bars_path),
        "--out",
        str(tmp_path / "made"),
    ]
    before = len(peeks.read(other.folder))
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert "other is not distinguishable from tiny: MSE, bp^2" in result.output
    assert {path.name for path in (tmp_path / "made").iterdir()} == {
        *("compare.json", "report.txt", "scores.png", "trainings.png"),
    }
    assert len(peeks.read(other.folder)) == before + 1
    again = CliRunner().invoke(app, [*words[:-2], "--json"], catch_exceptions=False)
    stored = msgspec.json.decode((tmp_path / "made" / "compare.json").read_bytes(), type=Compared)
    assert msgspec.json.decode(again.stdout, type=Compared) == stored
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thing").touch()
    with pytest.raises(UsageError, match="try: another --out"):
        CliRunner().invoke(app, [*words[:-1], str(tmp_path / "taken")], catch_exceptions=False)
