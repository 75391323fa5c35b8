import numpy as np
import pytest
from runs import some_bars

from core.errors import ConfigError
from training import labels


def closes(*values: float) -> np.ndarray:
    return np.column_stack([values] * 4 + [np.ones(len(values))])


def test_the_forward_return_is_the_log_change_of_the_close_over_the_horizon():
    found = labels.forward_return(closes(1.0, np.e, np.e**3, np.e**2), 2)
    np.testing.assert_allclose(found[:2], [3.0, 1.0])
    assert np.isnan(found[2:]).all()


def test_a_stretch_no_longer_than_the_horizon_has_no_label():
    assert np.isnan(labels.forward_return(closes(1.0, 2.0), 2)).all()


@pytest.mark.parametrize("kind", labels.LABELS)
def test_every_label_looks_no_further_than_its_horizon(kind: str):
    bars = some_bars(symbols=1, bars=40).symbols["S0"].rows
    changed = bars.copy()
    changed[30:] *= 2
    before, after = (labels.named(kind).values(rows, 3) for rows in (bars, changed))
    np.testing.assert_array_equal(before[:27], after[:27])
    assert (before[27:30] != after[27:30]).all()


@pytest.mark.parametrize("kind", labels.LABELS)
def test_every_label_names_one_output_for_each_horizon(kind: str):
    assert [output.horizon for output in labels.outputs(kind, (1, 6))] == [1, 6]


def test_an_unknown_label_is_refused():
    with pytest.raises(ConfigError, match=r"label\.kind = return"):
        labels.named("profit")
