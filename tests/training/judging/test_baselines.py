from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from runs import a_recipe, some_bars

from core.barfile import BarFile
from core.bars import CLOSE
from core.outputs import Kind, Output
from training.data.dataset import Samples
from training.data.panel import panel
from training.judging import baselines
from training.recipe import Recipe


def samples(file: BarFile, recipe: Recipe) -> Samples:
    made = panel(file, recipe)
    return Samples(made, made.ends_N)


def test_zero_says_zero():
    some = samples(some_bars(), a_recipe())
    assert not baselines.foretell("zero", {}, some, Output(Kind.RETURN, 1)).any()


def test_persistence_repeats_the_return_just_past():
    """What it foretells at a bar is what the label said one horizon earlier."""
    some = samples(some_bars(symbols=1), a_recipe("label.horizons=[3]"))
    said = baselines.foretell("persistence", {}, some, some.panel.outputs[0])
    close = some.panel.bars_R5[:, CLOSE]
    np.testing.assert_allclose(said[3:], some.target(some.panel.outputs[0])[:-3], atol=1e-12)
    assert np.isclose(said[0], np.log(close[some.ends_N[0]] / close[some.ends_N[0] - 3]))


def test_the_majority_is_that_of_the_part_it_learned_from():
    file = some_bars(symbols=1)
    file.symbols["S0"].rows[:, :4] = 100 * np.exp(-0.001 * np.arange(600))[:, None]
    falling = samples(file, a_recipe())
    learned = baselines.learn(falling)
    other = samples(some_bars(seed=9), a_recipe())
    assert (baselines.foretell("majority", learned, other, other.panel.outputs[0]) == -1).all()


def planted(kind: str, moves: npt.NDArray[np.float64]):
    """One symbol whose next return is a function of this one; the samples of a label of it."""
    file = some_bars(symbols=1, bars=len(moves) + 1)
    close = 100 * np.exp(np.concatenate([[0.0], np.cumsum(moves)]))
    file.symbols["S0"].rows[:, :4] = close[:, None]
    return samples(file, a_recipe(f"label.kind={kind}", "label.threshold=0.004", "data.features=btc_3"))


def reversing(count: int = 2_000):
    """Each return is minus half the one before, and noise."""
    moves, noise = np.zeros(count), 0.01 * np.random.default_rng(0).standard_normal(count)
    for step in range(1, count):
        moves[step] = -0.5 * moves[step - 1] + noise[step]
    return moves


def after_large_moves(count: int = 4_000):
    """A return is up after a large one of either sign, down after a small one: nothing linear in it."""
    random = np.random.default_rng(0)
    moves = np.zeros(count)
    for step in range(1, count):
        large = abs(moves[step - 1]) > 0.01
        moves[step] = (0.01 if large else -0.01) + 0.008 * random.standard_normal()
    return moves


def correlation(name: str, some: Samples):
    output = some.panel.outputs[0]
    half = len(some) // 2
    first, second = (Samples(some.panel, some.ends_N[part]) for part in (slice(half), slice(half, None)))
    said = baselines.foretell(name, baselines.learn(first), second, output)
    return np.corrcoef(said, second.target(output))[0, 1]


def test_the_linear_baseline_finds_what_is_linear():
    assert correlation("linear", planted("return", reversing())) > 0.4


def test_boosting_finds_what_is_not():
    some = planted("return", after_large_moves())
    assert correlation("boosting", some) > correlation("linear", some) + 0.1


@pytest.mark.parametrize("kind", ["return", "direction", "trend", "winner", "buckets", "quantiles", "deviation"])
def test_every_kind_has_baselines_that_say_as_many_numbers_as_it_has(kind: str):
    some = planted(kind, reversing(400))
    learned, (output,) = baselines.learn(some), some.panel.outputs
    names = baselines.beside(output)
    assert names
    for name in names:
        said = baselines.foretell(name, learned, some, output)
        assert said.shape == ((len(some),) if output.width == 1 else (len(some), output.width))
        assert np.isfinite(said).all()
        if output.kind in {Kind.PROBABILITY, Kind.DIRECTION, Kind.ORDINAL}:
            assert ((said >= 0) & (said <= 1)).all()
        if output.kind is Kind.ORDINAL:
            np.testing.assert_allclose(said.sum(axis=1), 1)
        if output.kind is Kind.QUANTILES:
            assert (np.diff(said, axis=1) >= 0).all()


def test_what_was_learned_survives_a_file_without_pickle(tmp_path: Path):
    some = planted("return", reversing(400))
    learned = baselines.learn(some)
    np.savez(tmp_path / "learned.npz", **learned)
    with np.load(tmp_path / "learned.npz", allow_pickle=False) as stored:
        again = {name: stored[name] for name in stored.files}
    for name in baselines.beside(some.panel.outputs[0]):
        said, repeated = (baselines.foretell(name, one, some, some.panel.outputs[0]) for one in (learned, again))
        np.testing.assert_array_equal(said, repeated)


def test_learning_twice_gives_the_same_trees():
    some = planted("return", reversing(400))
    first, second = baselines.learn(some), baselines.learn(some)
    assert first["boosting.return_1.trees"].tobytes() == second["boosting.return_1.trees"].tobytes()


def test_boosting_that_reads_where_the_model_looked_finds_what_only_that_shows():
    """Numbers that know the label stand for attention: nothing of it is in the bars."""
    some, random = (
        planted("direction", 0.01 * np.random.default_rng(3).standard_normal(3_000)),
        np.random.default_rng(4),
    )
    output = some.panel.outputs[0]
    telling_NA = (some.target(output)[:, None] + random.standard_normal((len(some), 2))).astype(np.float32)
    learned = baselines.learn(some, telling_NA)
    assert baselines.looks(learned)
    assert not baselines.looks(baselines.learn(some))
    assert "boosting_gaze" not in baselines.beside(output)
    with_gaze, without = (
        np.mean((baselines.foretell(name, learned, some, output, telling_NA) > 0.5) == some.target(output))
        for name in ("boosting_gaze", "boosting")
    )
    assert with_gaze > without + 0.05
