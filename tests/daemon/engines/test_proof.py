"""A machine proves that it computes what the bundle says before it predicts."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from bundles import golden_with, rewritten

from core.bundle import GOLDEN, Artefact, Bundle
from core.errors import BundleError
from daemon.engines import open_engine
from daemon.engines.proof import prove, warm
from daemon.ports import Float32s

Arrays = dict[str, npt.NDArray[Any]]


def test_an_exported_bundle_is_proven_where_it_was_made(exported: Bundle):
    engine = open_engine("onnxruntime", exported)
    warm(engine, exported)
    proof = prove(engine, exported)
    assert proof.rows == 12
    assert proof.same_feature_bits
    assert proof.same_bits_alone
    assert list(proof.features) == ["bars.log_return_1", "bars.relative_volume_24", "bars.realised_volatility_24"]
    assert proof.outputs == engine.artefact.measured


@pytest.mark.parametrize("output", ["return_1", "attention"])
def test_golden_outputs_that_are_wrong_are_refused(exported: Bundle, tmp_path: Path, output: str):
    def wrong(arrays: Arrays) -> None:
        arrays[f"output.{output}"] = arrays[f"output.{output}"] * np.float32(1.001)

    bundle = rewritten(exported, tmp_path / "wrong", GOLDEN, golden_with(exported, wrong))
    with pytest.raises(BundleError, match=rf"does not reproduce its golden values: '{output}' is off by 0\.001"):
        prove(open_engine("onnxruntime", bundle), bundle)


@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_feature_that_is_computed_otherwise_is_refused_by_its_name(exported: Bundle, tmp_path: Path, column: int):
    def wrong(arrays: Arrays) -> None:
        arrays["input.bars"][..., column] *= np.float32(1.0001)

    name = exported.manifest.inputs[0].features[column]
    bundle = rewritten(exported, tmp_path / "wrong", GOLDEN, golden_with(exported, wrong))
    with pytest.raises(BundleError, match=rf"the features computed here .*: 'bars\.{name}' is off by 0\.0001"):
        prove(open_engine("onnxruntime", bundle), bundle)


def test_features_in_other_bits_are_accepted_and_said(exported: Bundle, tmp_path: Path):
    def nudged(arrays: Arrays) -> None:
        arrays["input.bars"] = np.nextafter(arrays["input.bars"], np.float32(1))

    bundle = rewritten(exported, tmp_path / "nudged", GOLDEN, golden_with(exported, nudged))
    proof = prove(open_engine("onnxruntime", bundle), bundle)
    assert not proof.same_feature_bits
    assert all(0 < share < 1e-6 for share in proof.features.values())


def test_features_of_another_definition_are_refused(exported: Bundle, tmp_path: Path):
    (one,) = exported.manifest.inputs
    inputs = (msgspec.structs.replace(one, features_digest="0" * 16),)
    bundle = rewritten(exported, tmp_path / "other", GOLDEN, bytes, inputs=inputs)
    with pytest.raises(BundleError, match="their definitions changed"):
        prove(open_engine("onnxruntime", bundle), bundle)


def test_a_bundle_without_golden_outputs_is_refused(exported: Bundle, tmp_path: Path):
    def emptied(arrays: Arrays) -> None:
        del arrays["output.return_1"], arrays["output.attention"]

    bundle = rewritten(exported, tmp_path / "empty", GOLDEN, golden_with(exported, emptied))
    with pytest.raises(BundleError, match="no golden values to be held against"):
        prove(open_engine("onnxruntime", bundle), bundle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": 47}, r"takes input 'bars' in shape \['batch', 48, 3\], its manifest says any batch of \(47, 3\)"),
        ({"input": "prices"}, r"takes input 'prices' in shape None"),
        ({"output": True}, r"does not give attention_2, its manifest says so"),
    ],
)
def test_a_graph_that_is_not_what_the_manifest_says_is_refused(
    exported: Bundle, tmp_path: Path, change: dict[str, Any], message: str
):
    (one,) = exported.manifest.inputs
    window = msgspec.structs.replace(one.window, length=change.get("window", 48))
    inputs = (msgspec.structs.replace(one, name=change.get("input", "bars"), window=window),)
    (attention,) = exported.manifest.attentions
    name = "attention_2" if "output" in change else "attention"
    attentions = (msgspec.structs.replace(attention, name=name),)
    bundle = rewritten(exported, tmp_path / "other", GOLDEN, bytes, inputs=inputs, attentions=attentions)
    with pytest.raises(BundleError, match=message):
        open_engine("onnxruntime", bundle)


class Hasty:
    """An engine whose bits depend on the batch: every value is larger by the last bit when a row is alone."""

    name = "hasty"
    device = "cpu"
    reason = "asked for"

    def __init__(self, bundle: Bundle) -> None:
        self._engine = open_engine("onnxruntime", bundle)
        self.artefact: Artefact = self._engine.artefact

    def run(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        made = self._engine.run(inputs)
        alone = len(made["return_1"]) == 1
        return {name: np.nextafter(values, np.float32(1)) if alone else values for name, values in made.items()}


def test_an_engine_whose_bits_depend_on_the_batch_is_found_out(exported: Bundle):
    assert not prove(Hasty(exported), exported).same_bits_alone
