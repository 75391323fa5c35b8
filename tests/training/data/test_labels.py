import numpy as np
import pytest
from runs import some_bars

from core.bars import HIGH
from core.errors import ConfigError
from training.data import labels
from training.recipe import Label


def closes(*values: float) -> np.ndarray:
    return np.column_stack([values] * 4 + [np.ones(len(values))])


def test_the_forward_return_is_the_log_change_of_the_close_over_the_horizon():
    found = labels.forward_return(closes(1.0, np.e, np.e**3, np.e**2), 2)
    np.testing.assert_allclose(found[:2], [3.0, 1.0])
    assert np.isnan(found[2:]).all()


def test_a_stretch_no_longer_than_the_horizon_has_no_label():
    assert np.isnan(labels.forward_return(closes(1.0, 2.0), 2)).all()


@pytest.mark.parametrize("kind", labels.LABELS)
def test_every_label_looks_no_further_than_its_horizon_and_as_far_as_it(kind: str):
    """Every bar from 60 on is changed; a label of horizon 3 first knows of it at bar 57."""
    bars = some_bars(symbols=1, bars=80).symbols["S0"].rows
    before, after = (labels.named(kind).values(rows, 3, Label()) for rows in (bars, _shaken(bars, 60)))
    np.testing.assert_array_equal(before[:57], after[:57])
    assert (before[57:60] != after[57:60]).any()


def _shaken(bars: np.ndarray, since: int) -> np.ndarray:
    """Prices five times as high, then a fifth, in turn."""
    changed = bars.copy()
    changed[since:, :4] *= np.where(np.arange(len(bars) - since) % 2 == 0, 5.0, 0.2)[:, None]
    return changed


@pytest.mark.parametrize("kind", labels.LABELS)
def test_every_label_names_one_output_for_each_horizon(kind: str):
    assert [output.horizon for output in labels.outputs(Label(kind, (1, 6)))] == [1, 6]


def test_several_kinds_are_foretold_over_each_horizon():
    how = Label(("trend", "direction"), (1, 4))
    names = ["trend_1", "direction_1", "trend_4", "direction_4"]
    assert [output.name for output in labels.outputs(how)] == names
    assert list(labels.targets(some_bars(symbols=1).symbols["S0"].rows, how)) == names


def test_a_direction_is_not_known_within_the_dead_zone():
    bars = closes(1.0, np.exp(0.02), np.exp(0.025), np.exp(-0.01))
    found = labels.named("direction").values(bars, 1, Label(dead_zone=0.01))
    np.testing.assert_array_equal(found, [1.0, np.nan, 0.0, np.nan])


def test_a_winner_is_told_by_the_highest_price_after_its_own_bar():
    bars = closes(100.0, 100.0, 100.0, 100.0, 100.0)
    bars[0, HIGH], bars[3, HIGH] = 200.0, 112.0
    found = labels.named("winner").values(bars, 2, Label(threshold=0.1))
    np.testing.assert_array_equal(found, [0.0, 1.0, 1.0, np.nan, np.nan])


def test_a_trend_is_in_units_of_what_usually_moves():
    """A walk whose every step is one usual step: the return over four of them, over their usual size of two, is two."""
    moves = np.where(np.arange(60) % 2 == 0, 0.01, -0.01)
    moves[40:44] = 0.01
    found = labels.named("trend").values(closes(*np.exp(np.cumsum(moves))), 4, Label())
    assert np.isnan(found[:20]).all()
    assert found[39] == pytest.approx(np.tanh(2.0))
    assert (np.abs(found[20:56]) < 1).all()


def test_a_bucket_is_the_number_of_edges_passed():
    bars = closes(1.0, np.exp(-0.05), np.exp(-0.06), np.exp(-0.05), 1.0)
    found = labels.named("buckets").values(bars, 1, Label(edges=(-0.02, 0.0, 0.02)))
    np.testing.assert_array_equal(found, [0.0, 1.0, 2.0, 3.0, np.nan])


def test_an_unknown_label_is_refused():
    with pytest.raises(ConfigError, match=r"label\.kind = buckets or deviation"):
        labels.named("profit")
