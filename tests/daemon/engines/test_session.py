"""A graph that is not run where it was asked to run is refused."""

import pytest

from core.errors import EngineError
from daemon.engines.session import CUDA, TENSORRT_FP32, Kind, elsewhere

ON_CUDA, ON_TENSORRT, ON_CPU = "CUDAExecutionProvider", "TensorrtExecutionProvider", "CPUExecutionProvider"


def test_a_graph_that_runs_where_it_was_asked_to_has_nothing_to_be_said_of():
    assert elsewhere({ON_CUDA: ["LSTM", "Softmax"]}, CUDA) == []
    assert elsewhere({ON_CUDA: ["LSTM"], ON_CPU: ["Shape", "Gather", "Concat"]}, CUDA) == []


@pytest.mark.parametrize("kind", [CUDA, TENSORRT_FP32])
def test_an_operator_that_computes_on_the_cpu_is_refused_by_name(kind: Kind):
    placed = {kind.provider: ["MatMul"], ON_CPU: ["Shape", "LSTM", "Softmax", "LSTM"]}
    with pytest.raises(
        EngineError, match=rf"{kind.engine} was asked for, but LSTM, Softmax would run on the CPU; try: "
    ):
        elsewhere(placed, kind)


def test_a_gpu_that_takes_no_part_of_a_graph_is_refused():
    with pytest.raises(EngineError, match="CUDAExecutionProvider takes no part of it"):
        elsewhere({ON_CPU: ["Shape"]}, CUDA)


def test_what_tensorrt_leaves_to_cuda_is_said_and_all_of_it_is_refused():
    assert elsewhere({ON_TENSORRT: ["LSTM"], ON_CUDA: ["TopK", "IsNaN"]}, TENSORRT_FP32) == [
        "CUDAExecutionProvider runs its IsNaN, TopK"
    ]
    with pytest.raises(EngineError, match="onnxruntime-tensorrt was asked for, but TensorrtExecutionProvider takes no"):
        elsewhere({ON_CUDA: ["LSTM"]}, TENSORRT_FP32)
