"""A window run in two parts, before the close and at it, gives the bits of the window run whole."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from bundles import rewritten, scaled, weights

from core.bundle import Bundle
from core.errors import BundleError, EngineError
from daemon.engines import open_engine, open_stream
from daemon.engines.onnxruntime import OnnxRuntime, OnnxRuntimeStream
from daemon.engines.proof import prove_stream, stream_of
from daemon.ports import Float32s

SIZES = (1, 2, 3, 63, 64, 65, 200)


@pytest.fixture(scope="module")
def windows() -> Float32s:
    """(200, 48, 3) features of usual sizes."""
    drawn = np.random.default_rng(1).normal(size=(200, 48, 3)) * [5e-3, 0.5, 5e-3]
    return drawn.astype(np.float32)


@pytest.mark.parametrize("first", SIZES)
def test_whatever_batches_a_row_went_through_it_has_the_bits_of_the_whole_window(
    wide: Bundle, windows: Float32s, first: int
):
    whole = OnnxRuntime(wide).run({"bars": windows})
    stream = OnnxRuntimeStream(wide)
    parts = [stream.prefix({"bars": windows[at : at + first, :-1]}) for at in range(0, 200, first)]
    states = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.random.default_rng(first).permutation(200)
    for second in SIZES:
        for at in range(0, 200, second):
            rows = order[at : at + second]
            said = stream.step({name: values[rows] for name, values in states.items()}, {"bars": windows[rows, -1:]})
            for name in whole:
                assert said[name].tobytes() == whole[name][rows].tobytes(), (first, second, name)


def test_a_stream_stands_beside_the_engine_that_has_its_bits(exported: Bundle):
    assert open_stream(open_engine("onnxruntime", exported), exported) is not None
    assert open_stream(open_engine("onnxruntime-int8", exported), exported) is None


def test_a_bundle_without_streaming_graphs_has_no_stream(exported: Bundle, tmp_path: Path):
    artefacts = tuple(one for one in exported.manifest.artefacts if one.kind != "stream")
    whole = rewritten(exported, tmp_path / "whole", "model.onnx", bytes, artefacts=artefacts)
    assert open_stream(open_engine("onnxruntime", whole), whole) is None


def test_a_proof_of_two_parts_says_that_they_have_the_same_bits(exported: Bundle):
    proof = prove_stream(OnnxRuntimeStream(exported), OnnxRuntime(exported), exported)
    assert proof.same_bits
    assert proof.rows == 12
    assert proof.outputs == exported.manifest.artefact("onnx").measured


def test_a_proof_says_where_the_bits_are_not_the_same(exported: Bundle):
    """Beside an engine of other numbers, the whole windows are to be run."""
    proof = prove_stream(OnnxRuntimeStream(exported), open_engine("onnxruntime-int8", exported), exported)
    assert not proof.same_bits


@pytest.mark.parametrize("file", ["model.prefix.onnx", "model.step.onnx"])
def test_weights_that_are_wrong_by_one_percent_are_refused(exported: Bundle, tmp_path: Path, file: str):
    accepted = set()
    for name, values in weights(exported, file).items():
        wrong = rewritten(exported, tmp_path / "wrong", file, scaled(name, 1.01))
        try:
            prove_stream(OnnxRuntimeStream(wrong), OnnxRuntime(exported), wrong)
        except BundleError as error:
            assert "does not reproduce its golden values" in str(error)  # noqa: PT017
        else:
            accepted |= {name} if values.any() else set()
    assert accepted == set()


def test_parts_of_another_window_are_refused(exported: Bundle, tmp_path: Path):
    (one,) = exported.manifest.inputs
    inputs = (msgspec.structs.replace(one, window=msgspec.structs.replace(one.window, length=47)),)
    other = rewritten(exported, tmp_path / "other", "model.onnx", bytes, inputs=inputs)
    with pytest.raises(BundleError, match=r"model\.prefix\.onnx takes input 'bars' in shape \['batch', 47, 3\]"):
        OnnxRuntimeStream(other)


def test_a_step_that_does_not_fit_its_prefix_is_refused(exported: Bundle, wide: Bundle, tmp_path: Path):
    step = wide.path("model.step.onnx").read_bytes()
    mixed = rewritten(exported, tmp_path / "mixed", "model.step.onnx", lambda _: step)
    with pytest.raises(BundleError, match=r"model\.step\.onnx takes input '\w+' in shape .*128.*, its manifest says"):
        OnnxRuntimeStream(mixed)


def test_by_default_windows_are_run_ahead_where_that_gives_the_same_bits(exported: Bundle):
    engine = open_engine("onnxruntime", exported)
    assert stream_of("auto", engine, exported)[0] is not None
    assert stream_of("stream", engine, exported)[0] is not None
    assert stream_of("full", engine, exported) == (None, "whole windows were asked for")


def test_streaming_graphs_in_other_bits_are_used_only_where_they_are_asked_for(exported: Bundle, tmp_path: Path):
    bit = rewritten(exported, tmp_path / "bit", "model.step.onnx", scaled("model.head.bias", 1.0 + 1e-6))
    engine = open_engine("onnxruntime", bit)
    assert stream_of("auto", engine, bit) == (None, "streaming graphs give other bits than whole windows here")
    stream, why = stream_of("stream", engine, bit)
    assert stream is not None
    assert why.startswith("they were asked for, though in other bits: off by ")


def test_streaming_graphs_that_were_asked_for_and_are_not_there_are_an_error(exported: Bundle):
    engine = open_engine("onnxruntime-int8", exported)
    assert stream_of("auto", engine, exported) == (None, "onnxruntime-int8 has no streaming graphs of this bundle")
    with pytest.raises(EngineError, match=r'but onnxruntime-int8 has no .* try: graph = "auto"'):
        stream_of("stream", engine, exported)
