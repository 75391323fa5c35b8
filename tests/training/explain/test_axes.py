import numpy as np
import pytest

from core.errors import DataError
from training.explain.axes import Layout


def test_a_step_axis_before_the_last_is_who_looks():
    assert Layout.of(("layer", "head", "time", "market")).looking == "time"
    assert Layout.of(("head", "time")).looking is None
    assert Layout.of(("layer", "time", "gate")).looking is None


def test_keeping_heads_averages_over_everything_else_but_the_steps():
    values = np.arange(2 * 2 * 3 * 4, dtype=np.float32).reshape(2, 2, 3, 4)
    kept = Layout.of(("layer", "head", "time")).kept(values, "head")
    assert kept.shape == (2, 3, 4)
    assert kept[0, 0].tolist() == values[0, :, 0].mean(axis=0).tolist()


@pytest.mark.parametrize("axes", [("time", "corner"), ("time", "head"), ()])
def test_axes_without_a_description_are_refused(axes: tuple[str, ...]):
    with pytest.raises(DataError, match="try:"):
        Layout.of(axes)
