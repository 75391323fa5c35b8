"""The ONNX graph takes any number of rows, names what it gives, and says nothing of this machine."""

import logging
from pathlib import Path

import onnx
import pytest
import torch
from builders import a_manifest
from bundles import WINDOW, SmallLstm, a_model, a_sample
from torch import Tensor

from core import golden
from core.bundle import Bundle
from core.errors import BundleError
from export import to_onnx


@pytest.fixture(scope="module")
def graph(exported: Bundle) -> onnx.ModelProto:
    return onnx.load_model(exported.path("model.onnx"))


def test_the_graph_is_valid_and_of_the_opset_asked_for(graph: onnx.ModelProto):
    onnx.checker.check_model(graph, full_check=True)
    assert [(one.domain, one.version) for one in graph.opset_import] == [("", to_onnx.OPSET)]


def test_inputs_and_outputs_have_their_names_and_a_free_batch(graph: onnx.ModelProto):
    axes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.graph.input, *graph.graph.output)
    }
    assert axes == {"bars": ["batch", WINDOW, 3], "return_1": ["batch"], "attention": ["batch", WINDOW]}


def test_an_lstm_is_one_operator_so_that_engines_run_it_fast(graph: onnx.ModelProto):
    assert [node.op_type for node in graph.graph.node].count("LSTM") == 1


def test_nothing_of_this_machine_is_in_the_file(exported: Bundle):
    content = exported.path("model.onnx").read_bytes()
    for word in (str(Path.home()), str(Path(__file__).parents[2]), "site-packages", ".py"):
        assert word.encode() not in content


@pytest.mark.parametrize("rows", [1, 2, 5, 33, 64])
def test_any_number_of_rows_gives_what_pytorch_gives(exported: Bundle, rows: int):
    x_NTF = golden.features(exported.manifest, a_sample(exported.manifest, rows, seed=rows))
    with torch.inference_mode():
        expected = {name: said.numpy() for name, said in a_model()(torch.from_numpy(x_NTF["bars"])).items()}
    found = to_onnx.run(exported.path("model.onnx").read_bytes(), x_NTF)
    golden.check(expected, found, 1e-5, "model.onnx")


@pytest.mark.parametrize("window", [47, 49])
def test_a_graph_of_another_window_is_refused(graph: onnx.ModelProto, window: int):
    with pytest.raises(BundleError, match=rf"expected is any batch of \({window}, 3\); the exporter froze or freed"):
        to_onnx._refuse_other_shapes(graph, {"bars": (window, 3)})


def test_a_graph_whose_batch_is_frozen_is_refused(graph: onnx.ModelProto):
    frozen = onnx.ModelProto()
    frozen.CopyFrom(graph)
    frozen.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    with pytest.raises(BundleError, match=r"takes input 'bars' in shape \[1, 48, 3\]"):
        to_onnx._refuse_other_shapes(frozen, {"bars": (WINDOW, 3)})


class Branching(SmallLstm):
    """Its Python code depends on the data."""

    def forward(self, x_NTF: Tensor) -> dict[str, Tensor]:
        said = super().forward(x_NTF)
        return said if x_NTF.sum() > 0 else {name: -values for name, values in said.items()}


def test_a_model_that_cannot_be_converted_says_why():
    manifest = a_manifest(WINDOW)
    inputs = golden.features(manifest, a_sample(manifest))

    with pytest.raises(BundleError, match=r"PyTorch cannot convert this model to ONNX: .*data-dependent"):
        to_onnx.convert(Branching().eval(), manifest, inputs)


def test_converting_twice_gives_the_same_bytes_and_says_nothing(
    exported: Bundle, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    inputs = golden.features(exported.manifest, a_sample(exported.manifest))
    again = to_onnx.convert(a_model(), exported.manifest, inputs)
    assert again == exported.path("model.onnx").read_bytes()
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert capfd.readouterr() == ("", "")
