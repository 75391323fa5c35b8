"""What must be there before anything runs on a GPU is asked for first, and told when it is lacking."""

from ctypes.util import find_library

import numpy as np
import onnxruntime
import pytest

from core.errors import EngineError
from daemon.engines.driver import Driver
from daemon.engines.nvidia import IDENTITY

without_gpu = pytest.mark.skipif(find_library("cuda") is not None, reason="a GPU is here")


def test_the_model_that_proves_a_gpu_runs_on_any_engine():
    session = onnxruntime.InferenceSession(IDENTITY, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"x": np.array([3.5], np.float32)})
    assert output.tolist() == [3.5]


@without_gpu
def test_without_a_driver_the_error_says_so():
    with pytest.raises(EngineError, match=r"there is no NVIDIA driver here \(libcuda.*; try: install the driver"):
        Driver()
