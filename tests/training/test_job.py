from pathlib import Path

import numpy as np
import pytest
from runs import a_recipe, a_run, some_bars, write_parquet

from core import attention
from core.barfile import SymbolBars
from core.errors import DataError
from training import job
from training.job import Job
from training.judging.predicting import predict
from training.judging.reference import less
from training.runs.run import Run


def test_training_twice_gives_the_same_weights_and_scores(trained: Run, bars_path: Path, tmp_path: Path):
    again = a_run(trained.recipe, bars_path, tmp_path / "again")
    assert (again.folder / "checkpoint.pt").read_bytes() == (trained.folder / "checkpoint.pt").read_bytes()
    assert again.scores == trained.scores


def test_evaluating_on_the_same_bars_gives_the_scores_of_the_run(trained: Run, bars_path: Path):
    assert job.evaluate(trained, bars_path) == trained.evaluation


def test_evaluating_looks_at_nothing_that_was_trained_on(trained: Run, tmp_path: Path):
    """The same walks drawn for longer: only bars from the test part on are used."""
    longer = write_parquet(some_bars(symbols=6, bars=900), tmp_path / "longer.parquet")
    found = job.evaluate(trained, longer)
    assert found.span[0] == trained.training.spans["test"][0]
    assert found.span[1] > trained.training.spans["test"][1]


def test_bars_that_end_before_the_test_part_cannot_be_evaluated(trained: Run, tmp_path: Path):
    early = write_parquet(some_bars(symbols=6, bars=300), tmp_path / "early.parquet")
    with pytest.raises(DataError, match="what lies before was trained on"):
        job.evaluate(trained, early)


def test_a_run_replaced_is_the_new_one_alone(bars_path: Path, tmp_path: Path):
    a_run(a_recipe(), bars_path, tmp_path / "run")
    again = a_run(a_recipe("seed=7"), bars_path, tmp_path / "run")
    assert again.recipe.seed == 7
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_several_horizons_are_learned_and_judged_together(bars_path: Path, tmp_path: Path):
    trained = a_run(a_recipe("label.horizons=[1, 6]"), bars_path, tmp_path / "run")
    assert {score.output for score in trained.scores} == {"return_1", "return_6"}


def test_a_model_trains_on_real_hourly_bars(shared_data: Path, tmp_path: Path):
    """Two symbols, one epoch; the scores stand beside the known hourly deviation of Bitcoin, near 0.5 %."""
    recipe = a_recipe('data.symbols=["BTCUSDT", "ETHUSDT"]', "window.length=16", "window.stride=8")
    made = Job(recipe, shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet")
    trained = made.run(tmp_path / "run", lambda *_: None, lambda _: None)
    scores = {(score.measure, score.predictor): score.value for score in trained.scores}
    assert 0.004 < scores["rmse", "zero"] < 0.008
    assert scores["rmse", "model"] < 1.05 * scores["rmse", "zero"]
    attention = predict(trained.model, made.parts.test)["attention"]
    np.testing.assert_allclose(attention.sum(axis=1), 1, atol=1e-5)


def test_windows_that_expand_are_never_evaluated_where_their_symbol_was_trained_on(tmp_path: Path):
    """A symbol listed late: its windows begin after everything else did, and yet only its later ends are judged."""
    file = some_bars(symbols=2, bars=800)
    late = file.symbols["S1"]
    file.symbols["S1"] = SymbolBars("S1", late.opened_at_ms[300:], late.rows[300:])
    path = write_parquet(file, tmp_path / "bars.parquet")
    small = "{windows=[4], hidden=8, heads=2}"
    recipe = a_recipe(
        *("model.family=hybrid_lstm", f"model.options={small}", "window.kind=expanding", "window.minimum=4"),
        *("window.length=12", "split.purge=labels"),
    )
    trained = a_run(recipe, path, tmp_path / "run")
    assert job.evaluate(trained, path) == trained.evaluation


def test_matrices_of_attention_are_learned_from_and_never_held_for_all_windows(bars_path: Path, tmp_path: Path):
    """Of 2 x 2 x 24 x 24 weights a window, 24 are kept, and the reference is that of all."""
    tiny = '{d_model=8, heads=2, layers=2, feed_forward=8, matrices="all"}'
    recipe = a_recipe("model.family=transformer", f"model.options={tiny}", "window.length=24")
    trained, part = a_run(recipe, bars_path, tmp_path / "run"), Job(recipe, bars_path).parts.validation
    whole = predict(trained.model, part)["self_attention"]
    assert whole.shape == (len(part), 2, 2, 24, 24)
    kept = predict(trained.model, part, less=less(trained.model))["self_attention"]
    np.testing.assert_array_equal(kept, attention.profile(whole))
    reference = np.load(trained.folder / "reference.npz")
    np.testing.assert_allclose(reference["self_attention.profile"], whole.mean(axis=(0, 1, 2, 3)), rtol=1e-5)
    entropy = attention.normalised_entropy(whole)
    np.testing.assert_allclose(reference["self_attention.entropy"], entropy.reshape(-1), rtol=1e-5)
