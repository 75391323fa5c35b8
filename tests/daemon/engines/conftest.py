import pytest
from bundles import a_bundle

from core.bundle import Bundle


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A small LSTM, exported in every form of ONNX."""
    return a_bundle(tmp_path_factory.mktemp("bundles") / "small", formats=("onnx", "fp16", "fp16-gpu", "int8"))


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The size that is served: 128 hidden units over 48 steps."""
    return a_bundle(tmp_path_factory.mktemp("wide") / "wide", hidden=128, formats=("onnx", "fp16", "int8"))
