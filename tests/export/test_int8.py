"""8-bit weights: smaller, measured for what they cost, refused where they cost too much."""

from pathlib import Path

import numpy as np
import pytest
from bundles import a_bundle, a_model

from core.bundle import GOLDEN, Artefact, Bundle, Score
from core.errors import BundleError
from export import to_int8
from export.prove import prove
from export.source import Source


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return a_bundle(tmp_path_factory.mktemp("int8") / "int8", hidden=128, formats=("onnx", "int8"))


def test_a_quantised_model_says_what_it_costs_in_every_output_and_attention(quantised: Bundle):
    artefact = quantised.manifest.artefact("int8")
    assert artefact.cost.keys() == {"return_1", "attention"}
    assert 1e-5 < max(artefact.cost.values()) < 0.05
    assert not artefact.same_bits
    assert quantised.path("model.int8.onnx").stat().st_size < quantised.path("model.onnx").stat().st_size / 3


def test_it_is_held_to_what_it_said_itself(quantised: Bundle):
    artefact = quantised.manifest.artefact("int8")
    arrays = quantised.arrays(GOLDEN)
    said = to_int8.run((quantised.path("model.int8.onnx").read_bytes(),), {"bars": arrays["input.bars"]})
    assert {name: values.tobytes() for name, values in said.items()} == {
        name: arrays[artefact.golden + name].tobytes() for name in said
    }
    assert artefact.measured == {"return_1": 0.0, "attention": 0.0}
    assert not np.array_equal(arrays["int8.return_1"], arrays["output.return_1"])


def test_a_cost_past_the_tolerance_is_refused(tmp_path: Path):
    with pytest.raises(BundleError, match=r"model\.int8\.onnx costs too much: '.*' is off by .*--tolerance-int8"):
        a_bundle(tmp_path / "strict", formats=("int8",), tolerances={"int8": 1e-6})
    assert list(tmp_path.iterdir()) == []


def test_a_score_that_leaves_the_interval_is_refused(quantised: Bundle):
    source = Source(a_model(hidden=128), quantised.manifest, quantised.arrays(GOLDEN))
    files = (quantised.path("model.int8.onnx").read_bytes(),)
    model = Score("return_1", "direction", "model", 0.53, 0.51, 0.55)

    def scored(value: float) -> Artefact:
        own = Score("return_1", "direction", "int8", value, value, value)
        return prove("int8", files, source, 0.05, lambda *_: (model, own))[0]

    assert [one.predictor for one in scored(0.52).scores] == ["model", "int8"]
    with pytest.raises(BundleError, match=r"int8 scores otherwise: direction of return_1 is 0\.49"):
        scored(0.49)


def test_quantising_twice_gives_the_same_bytes(quantised: Bundle):
    source = Source(a_model(hidden=128), quantised.manifest, quantised.arrays(GOLDEN))
    assert to_int8.convert(source) == (quantised.path("model.int8.onnx").read_bytes(),)
