from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from cutting import cut_off_at
from runs import a_recipe, cut_parquet, some_bars, write_parquet
from typer.testing import CliRunner

from core.barfile import SymbolBars
from core.errors import ConfigError, UsageError
from training import recipe
from training.cli import app
from training.job import Job
from training.many.sweep import Range, Space, Sweep, Tried, read_space
from training.many.trial import Outcome, attempt
from training.recipe import Recipe

TINY = ["window.length=8", "model.options.hidden=8", "optimiser.epochs=1", "optimiser.batch=64"]
SPACE: Space = {
    "optimiser.learning_rate": Range(1e-4, 1e-1, log=True),
    "model.options.hidden": [4, 8],
    "window.length": Range(6, 10, step=2),
}


def a_sweep(bars: Path, out: Path, space: Space = SPACE, changes: list[str] | None = None, at_once: int = 1) -> Sweep:
    return Sweep("demo", None, [*TINY, *(changes or [])], space, bars, out, at_once)


def losses(tried: list[Tried]):
    return sorted((one.number, one.loss, msgspec.json.encode(one.changes)) for one in tried)


@pytest.fixture(scope="module")
def whole(bars_path: Path, tmp_path_factory: pytest.TempPathFactory):
    """A sweep of 4 trials, and its folder."""
    out = tmp_path_factory.mktemp("sweeps") / "whole"
    return a_sweep(bars_path, out).trials(4, lambda _: None), out


def test_trials_are_told_best_first_and_the_best_recipe_is_written(whole: tuple[list[Tried], Path]):
    tried, out = whole
    assert [one.loss for one in tried] == sorted(one.loss for one in tried if one.loss is not None)
    best = recipe.read(str(out / "best.toml"))
    assert best.optimiser.learning_rate == tried[0].changes["optimiser.learning_rate"]
    assert best.model.options["hidden"] == tried[0].changes["model.options.hidden"]
    assert best.window.length in {6, 8, 10}
    assert best.evaluate.tries == len(tried)


def test_a_sweep_that_was_cut_off_goes_on_with_the_trials_it_would_have_had(
    whole: tuple[list[Tried], Path], bars_path: Path, tmp_path: Path
):
    """Killed after the second trial's line, while another is at work, it ends with the same four."""
    space = tmp_path / "space.toml"
    space.write_text(
        '"optimiser.learning_rate" = { low = 1e-4, high = 1e-1, log = true }\n'
        '"model.options.hidden" = [4, 8]\n"window.length" = { low = 6, high = 10, step = 2 }\n'
    )
    assert read_space(space) == SPACE
    words = ["sweep", "demo", "--space", space, "--bars", bars_path, "--out", tmp_path / "s", "--trials", 4]
    words += [word for change in TINY for word in ("--set", change)]
    cut_off_at("trial   2", *words)
    told: list[Tried] = []
    again = a_sweep(bars_path, tmp_path / "s").trials(4, told.append)
    assert [one.number for one in told] == [3, 4][-len(told) :]
    assert losses(again) == losses(whole[0])


def test_trials_chosen_at_once_are_the_same_whatever_their_order_and_wherever_it_was_cut_off(
    shared_data: Path, tmp_path: Path
):
    """On real hours: in turn; and backwards, cut off among the third four, then with more asked for."""
    hours = shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet"
    bars = cut_parquet(hours, tmp_path / "bars.parquet", ("BTCUSDT", "ETHUSDT"), 400)
    in_order = a_sweep(bars, tmp_path / "in_order", at_once=4).trials(14, lambda _: None)
    trained: list[int] = []

    def backwards(planned: dict[int, Recipe], bars: Path) -> Iterator[tuple[int, Outcome]]:
        for number in reversed(planned):
            if len(trained) == 10:
                trained.append(0)
                raise InterruptedError
            trained.append(number)
            yield number, attempt(planned[number], bars)

    with pytest.raises(InterruptedError):
        a_sweep(bars, tmp_path / "cut_off", at_once=4).trials(13, lambda _: None, backwards)
    a_sweep(bars, tmp_path / "cut_off", at_once=4).trials(13, lambda _: None, backwards)
    again = a_sweep(bars, tmp_path / "cut_off", at_once=4).trials(14, lambda _: None, backwards)
    assert trained == [4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 0, 10, 9, 13, 14]
    assert losses(again) == losses(in_order)
    assert len({one.loss for one in again}) == 14
    with pytest.raises(UsageError, match="a sweep with another --at-once"):
        a_sweep(bars, tmp_path / "cut_off", at_once=3)


def test_one_trial_at_a_time_is_not_spread(bars_path: Path, tmp_path: Path):
    (tmp_path / "space.toml").write_text('"model.options.hidden" = [4, 8]\n')
    words = ["sweep", "demo", "--space", tmp_path / "space.toml", "--bars", bars_path, "--out", tmp_path / "sweep"]
    with pytest.raises(UsageError, match="try: --at-once 4"):
        CliRunner().invoke(app, [str(word) for word in (*words, "--on", "local")], catch_exceptions=False)


def test_the_final_span_changes_nothing(whole: tuple[list[Tried], Path], bars_path: Path, tmp_path: Path):
    """Every bar after the last that validation looks at is another; the trials are the same."""
    last = Job(a_recipe("window.length=6"), bars_path).parts.validation.span[1]
    file = some_bars(symbols=6)
    for symbol, part in list(file.symbols.items()):
        rows, later = part.rows.copy(), part.opened_at_ms > last + 12 * 3_600_000
        rows[later] *= np.linspace(1, 3, int(later.sum()))[:, None]
        file.symbols[symbol] = SymbolBars(symbol, part.opened_at_ms, rows)
    path = write_parquet(file, tmp_path / "other.parquet")
    assert losses(a_sweep(path, tmp_path / "sweep").trials(4, lambda _: None)) == losses(whole[0])


def test_a_trial_that_cannot_be_trained_is_told_and_left_out(bars_path: Path, tmp_path: Path):
    heads = ["model.family=attention_lstm", "model.options={hidden=[8, 8], dense=[8, 8]}"]
    tried = a_sweep(bars_path, tmp_path / "s", {"model.options.heads": [1, 3]}, heads).trials(4, lambda _: None)
    assert tried[0].loss is not None
    refused = [one for one in tried if one.loss is None]
    assert all("not shared evenly by 3 heads" in one.refused for one in refused)
    assert refused


def test_a_key_that_is_none_is_refused_before_anything_is_kept(bars_path: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"try: optimiser\.learning_rate"):
        a_sweep(bars_path, tmp_path / "s", {"optimiser.learning_rat": [1e-3]})
    assert not (tmp_path / "s").exists()


def test_another_recipe_does_not_go_on(whole: tuple[list[Tried], Path], bars_path: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="a sweep with another recipe"):
        a_sweep(bars_path, whole[1], changes=["seed=3"])
    with pytest.raises(UsageError, match="another space"):
        a_sweep(bars_path, whole[1], {"optimiser.batch": [64]})
    (tmp_path / "notes").mkdir()
    with pytest.raises(UsageError, match="is not a sweep"):
        a_sweep(bars_path, tmp_path / "notes")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('"split.train" = [0.5]', "losses do not compare"),
        ('"optimiser.batch" = []', "has nothing to try"),
        ("", "names no key"),
        ('"optimiser.batch" = { from = 1 }', "low = 1e-4"),
        ("a = b", "is not TOML"),
        ('"é" = [1]', "is not TOML"),
    ],
)
def test_a_space_that_says_nothing_or_too_much_is_refused(text: str, told: str, tmp_path: Path):
    (tmp_path / "space.toml").write_text(text, "latin-1")
    with pytest.raises(ConfigError, match=told):
        read_space(tmp_path / "space.toml")


def test_the_command_tells_each_trial_a_table_and_what_is_next(bars_path: Path, tmp_path: Path):
    (tmp_path / "space.toml").write_text('"model.options.hidden" = [4, 8]\n')
    words = ["sweep", "demo", "--space", tmp_path / "space.toml", "--bars", bars_path, "--out", tmp_path / "sweep"]
    words += ["--trials", 2, *(word for change in TINY for word in ("--set", change))]
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert "trial   2 of 2" in result.output
    assert "Trials, best first" in result.output
    assert f"next: gaze train {tmp_path}" in result.output.replace("\n", "")
