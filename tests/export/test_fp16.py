"""Half precision: smaller, measured for what it costs, refused where it costs too much."""

from pathlib import Path

import onnx
import pytest
from bundles import a_bundle
from onnx import TensorProto
from sources import a_source

from core import plan
from core.bundle import GOLDEN, Bundle
from core.errors import BundleError
from export import to_fp16
from export.prove import prove
from training.families import FAMILIES


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The size that is served, in both forms of half precision."""
    return a_bundle(tmp_path_factory.mktemp("half") / "half", hidden=128, formats=("onnx", "fp16", "fp16-gpu"))


def test_half_precision_says_what_it_costs_and_is_held_to_what_it_said_itself(made: Bundle):
    artefact = made.manifest.artefact("fp16")
    assert artefact.cost.keys() == {"return_1", "attention"}
    assert 1e-5 < max(artefact.cost.values()) < 0.005
    assert artefact.measured == {"return_1": 0.0, "attention": 0.0}
    assert made.path("model.fp16.onnx").stat().st_size < made.path("model.onnx").stat().st_size * 0.6
    assert "fp16.attention" in made.arrays(GOLDEN)


def test_a_cost_past_the_tolerance_is_refused(tmp_path: Path):
    with pytest.raises(BundleError, match=r"model\.fp16\.onnx costs too much: '.*' is off by .*--tolerance-fp16"):
        a_bundle(tmp_path / "strict", formats=("fp16",), tolerances={"fp16": 1e-6})
    assert list(tmp_path.iterdir()) == []


def test_the_form_for_a_gpu_halves_recurrent_layers_too_and_says_what_that_costs_on_a_cpu(made: Bundle):
    artefact = made.manifest.artefact("fp16-gpu")
    assert (artefact.golden, artefact.tolerance, artefact.measured) == ("output.", 0.005, {})
    assert artefact.cost == made.manifest.artefact("fp16").cost
    types = {}
    for kind in ("fp16", "fp16-gpu"):
        graph = onnx.load_model_from_string(made.path(made.manifest.artefact(kind).file).read_bytes()).graph
        (lstm,) = [node for node in graph.node if node.op_type == "LSTM"]
        cast = {node.output[0]: node.attribute[0].i for node in graph.node if node.op_type == "Cast"}
        types[kind] = cast.get(lstm.input[0])
    assert types["fp16"] == TensorProto.FLOAT
    assert types["fp16-gpu"] != TensorProto.FLOAT


def test_the_form_for_a_gpu_is_refused_past_the_same_tolerance(tmp_path: Path):
    with pytest.raises(BundleError, match=r"model\.fp16\.gpu\.onnx costs too much: .*--tolerance-fp16 "):
        a_bundle(tmp_path / "strict", formats=("fp16-gpu",), tolerances={"fp16-gpu": 1e-6})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_tensorrt_builds_every_family_in_half_precision_without_a_gpu(family: str):
    trt, source = plan.installed(), a_source(family)
    assert trt
    (graph,) = to_fp16.convert_for_gpu(source)
    built, _ = plan.build(trt, graph, {one.name: one.row for one in source.manifest.inputs})
    assert len(built) > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_runs_in_half_precision_on_a_cpu(family: str):
    source = a_source(family)
    artefact, _ = prove("fp16", to_fp16.convert(source), source, 0.005)
    assert artefact.cost.keys() == source.outputs.keys()
