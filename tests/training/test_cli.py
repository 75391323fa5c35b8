import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from core.errors import ConfigError, UsageError
from training.cli import app
from training.judging.evaluation import Evaluation
from training.runs import peeks

TINY = ("window.length=8", "model.options.hidden=8", "optimiser.epochs=2")
SETTINGS = [word for change in TINY for word in ("--set", change)]


def gaze(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture(scope="module")
def told(bars_path: Path, tmp_path_factory: pytest.TempPathFactory):
    """What `gaze train` printed, and the run it wrote."""
    out = tmp_path_factory.mktemp("cli") / "run"
    result = gaze("train", "demo", "--bars", bars_path, "--out", out, *SETTINGS)
    assert result.exit_code == 0
    return result.output, out


def test_training_tells_the_model_the_split_each_epoch_the_scores_and_what_is_next(told: tuple[str, Path]):
    output, out = told
    assert "parameters" in output
    assert "bars left out between parts" in output
    assert "epoch   1" in output
    assert "persistence" in output
    assert f"next: gaze export {out}" in output.replace("\n", "")


def test_training_says_honestly_what_a_random_walk_gives(told: tuple[str, Path]):
    assert "not distinguishable from forecasting zero" in told[0]


def test_json_on_standard_output_is_the_evaluation_alone(told: tuple[str, Path], bars_path: Path):
    result = gaze("evaluate", told[1], "--bars", bars_path, "--json")
    found = msgspec.json.decode(result.stdout, type=Evaluation)
    assert found == msgspec.json.decode((told[1] / "metrics.json").read_bytes(), type=Evaluation)


def test_evaluating_prints_scores_and_verdict(told: tuple[str, Path], bars_path: Path):
    output = gaze("evaluate", told[1], "--bars", bars_path).output
    assert "RMSE" in output
    assert "not distinguishable" in output


def test_scores_are_told_apart_by_what_is_asked_for(told: tuple[str, Path], bars_path: Path):
    output = gaze("evaluate", told[1], "--bars", bars_path, "--by", "regime", "--by", "symbol").output
    assert "wild" in output
    assert "S3" in output
    with pytest.raises(UsageError, match="try: --by regime"):
        gaze("evaluate", told[1], "--bars", bars_path, "--by", "weekday")


def test_trading_is_told_where_a_cost_is_and_says_after_how_many_tries(told: tuple[str, Path], bars_path: Path):
    output = gaze("evaluate", told[1], "--bars", bars_path, "--cost-bps", "5").output.replace("\n", " ")
    assert "Traded at 5 bp" in output
    assert "Trading on return_1 at 5 bp is not distinguishable from trading without skill" in output
    assert "after one try the chance of skill" in output
    again = gaze("evaluate", told[1], "--bars", bars_path, "--cost-bps", "5").output.replace("\n", " ")
    assert "after one try the chance of skill" in again
    peeks.add(told[1], "gaze compare", "bars", ("another recipe", "and one more"))
    assert "after 3 tries" in gaze("evaluate", told[1], "--bars", bars_path, "--cost-bps", "5").output.replace(
        "\n", " "
    )


def test_a_run_that_is_there_is_refused_before_anything_is_trained(told: tuple[str, Path], bars_path: Path):
    with pytest.raises(UsageError, match="--replace"):
        gaze("train", "demo", "--bars", bars_path, "--out", told[1])


def test_a_wrong_key_is_refused_with_the_nearest(bars_path: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"try: optimiser\.epochs"):
        gaze("train", "demo", "--bars", bars_path, "--out", tmp_path / "run", "--set", "optimiser.epoch=3")


def test_help_is_shown_without_importing_anything_heavy():
    heavy = ("torch", "numpy", "polars", "numba", "rich.progress")
    code = (
        "import sys; from typer.testing import CliRunner; from training.cli import app\n"
        "result = CliRunner().invoke(app, ['train', '--help']); assert 'Example' in result.output\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=250, check=True)
    assert found.stdout.strip() == "[]"
