"""Expanding windows in graphs of several lengths: what whole ones give, and a row's bits hang on that row alone."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from bundles import a_reference, rewritten
from networks import EVERY_KIND
from sources import WINDOW, a_trained

from core import golden
from core.bundle import GOLDEN, Bundle
from core.errors import BundleError
from core.golden import INPUT
from daemon.engines import open_engine
from daemon.engines.proof import prove
from export.bundle import make_bundle


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    model, manifest, sample = a_trained("hybrid_lstm", EVERY_KIND[:1])
    folder = tmp_path_factory.mktemp("growing") / "small"
    return make_bundle(folder, model, manifest, sample, a_reference(WINDOW), ("onnx", "buckets"))


def test_buckets_reproduce_the_golden_values_and_a_row_alone_has_its_bits(growing: Bundle):
    proof = prove(open_engine("onnxruntime-buckets", growing), growing)
    assert proof.same_bits_alone
    assert max(proof.outputs.values()) < 2e-6


def test_whatever_is_lacking_it_is_that_of_whole_windows(growing: Bundle):
    inputs = golden.named(INPUT, growing.arrays(GOLDEN))
    x_NTF = np.repeat(inputs["features"][1::2], 3, axis=0)
    for row in range(len(x_NTF)):
        x_NTF[row, : row % 13] = np.nan
    whole = open_engine("onnxruntime", growing).run({"features": x_NTF})
    engine = open_engine("onnxruntime-buckets", growing)
    said = engine.run({"features": x_NTF})
    for name, values in whole.items():
        assert said[name].shape == values.shape
        np.testing.assert_allclose(said[name], values, rtol=0, atol=2e-6)
    order = np.random.default_rng(3).permutation(len(x_NTF))
    shuffled = engine.run({"features": x_NTF[order]})
    assert all(shuffled[name].tobytes() == said[name][order].tobytes() for name in said)
    assert {name: len(values) for name, values in engine.run({"features": x_NTF[:0]}).items()} == dict.fromkeys(said, 0)


def test_auto_measures_them_beside_the_whole(growing: Bundle, tmp_path: Path):
    engine = open_engine("auto", growing, {"XDG_CACHE_HOME": str(tmp_path)})
    assert "onnxruntime-buckets " in engine.reason
    assert "onnxruntime " in engine.reason


def test_buckets_of_another_window_are_refused(growing: Bundle, tmp_path: Path):
    (one,) = growing.manifest.inputs
    inputs = (msgspec.structs.replace(one, window=msgspec.structs.replace(one.window, length=WINDOW + 1)),)
    other = rewritten(growing, tmp_path / "other", "model.onnx", bytes, inputs=inputs)
    with pytest.raises(BundleError, match=r"the largest bucket holds 16 rows, the window 17; try: gaze export again"):
        open_engine("onnxruntime-buckets", other)
