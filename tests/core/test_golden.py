"""Golden values are reproduced within a share of their own size, or refused."""

import numpy as np
import numpy.typing as npt
import pytest
from builders import HOUR, a_manifest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from core import golden
from core.bundle import Input, Window
from core.errors import BundleError
from core.features import FeatureSet

Floats = npt.NDArray[np.float32]

numbers = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
values = arrays(np.float32, array_shapes(max_dims=3, max_side=5), elements=numbers)


@given(values)
def test_values_reproduce_themselves_at_any_tolerance(one: Floats):
    assert golden.check({"a": one}, {"a": one.copy(), "more": one}, 0.0, "it") == {"a": 0.0}


@given(values, st.floats(-0.5, 0.5), st.data())
def test_a_value_that_moved_is_refused_exactly_when_its_share_is_above_the_tolerance(
    one: Floats, move: float, data: st.DataObject
):
    place = data.draw(st.integers(0, one.size - 1))
    scale = float(np.abs(one).max()) or 1.0
    moved = one.astype(np.float64)
    moved.flat[place] += move * scale
    share = abs(float(moved.flat[place]) - float(one.flat[place])) / scale
    assert golden.check({"a": one}, {"a": moved}, share, "it")["a"] == share
    if share > 0:
        with pytest.raises(BundleError, match="'a' is off by"):
            golden.check({"a": one}, {"a": moved}, share * 0.99, "it")


@given(values, st.sampled_from([np.nan, np.inf, -np.inf]), st.data())
def test_a_value_that_is_not_finite_is_always_refused(one: Floats, odd: float, data: st.DataObject):
    broken = one.copy()
    broken.flat[data.draw(st.integers(0, one.size - 1))] = odd
    for expected, found in ((one, broken), (broken, one), (broken, broken)):
        with pytest.raises(BundleError, match="not finite"):
            golden.check({"a": expected}, {"a": found}, np.inf, "it")


def test_a_small_return_is_held_as_tightly_as_a_large_probability():
    small = np.array([1e-4, -2e-4], np.float32)
    golden.check({"return_1": small}, {"return_1": small * np.float32(1 + 1e-6)}, 1e-5, "it")
    with pytest.raises(BundleError, match=r"'return_1' is off by 0\.01 of its largest value, allowed is 1e-05"):
        golden.check({"return_1": small}, {"return_1": small * np.float32(1.01)}, 1e-5, "it")


def test_the_worst_output_is_the_one_named():
    one = np.ones(3)
    with pytest.raises(BundleError, match=r"model\.onnx does not reproduce its golden values: 'b' is off by 0\.2"):
        golden.check({"a": one, "b": one}, {"a": one * 1.1, "b": one * 1.2}, 1e-5, "model.onnx")


@pytest.mark.parametrize(
    ("expected", "found", "message"),
    [
        ({"a": np.ones(2)}, {"b": np.ones(2)}, "gives no 'a', only b"),
        ({"a": np.ones(2)}, {}, "gives no 'a', only nothing"),
        ({"a": np.ones(2)}, {"a": np.ones((2, 1))}, r"'a' in shape \(2, 1\), expected is \(2,\)"),
        ({}, {"a": np.ones(2)}, "no golden values to be held against"),
    ],
)
def test_what_cannot_be_compared_is_refused(expected: golden.Arrays, found: golden.Arrays, message: str):
    with pytest.raises(BundleError, match=message) as refused:
        golden.check(expected, found, 1.0, "it")
    assert "try: " in str(refused.value)


def test_the_parts_of_golden_are_told_by_their_prefix():
    told = {"bars": np.ones(1), "input.bars": np.ones(2), "output.return_1": np.ones(3)}
    assert list(golden.named(golden.INPUT, told)) == ["bars"]
    assert list(golden.named(golden.OUTPUT, told)) == ["return_1"]


def test_the_features_of_golden_bars_are_computed_for_their_own_hours():
    known = FeatureSet.named("btc_rich")
    reads = Input("bars", "symbol", known.names, known.digest, known.lookback, Window("rolling", 4, 4))
    manifest = a_manifest(inputs=(reads,))
    bars = np.random.default_rng(3).uniform(90, 110, (3, reads.bars_needed, 5))
    opened = (400_000 + np.arange(3)) * HOUR.ms
    made = golden.features(manifest, {"bars": bars, "opened_at_ms": opened})["bars"]
    column = known.names.index("hour_sine")
    expected = np.sin(2 * np.pi * ((400_000 + np.arange(3)[:, None] - np.arange(4)[::-1]) % 24) / 24)
    np.testing.assert_allclose(made[..., column], expected, atol=1e-6)
