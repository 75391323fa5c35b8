"""Plans of TensorRT are built once a device and kept, and never built anew without a word."""

import logging
from pathlib import Path
from types import ModuleType

import pytest
from bundles import rewritten

from core import plan
from core.bundle import Bundle
from core.errors import EngineError
from daemon.engines.plans import kept_or_built

H100 = "sm_90, driver 13000, tensorrt_rtx 1.7"


def installed() -> ModuleType:
    trt = plan.installed()
    assert trt is not None
    return trt


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, exported: Bundle) -> Path:
    """Where a plan for one device is kept."""
    folder = tmp_path_factory.mktemp("plans")
    kept_or_built(exported, installed(), H100, folder)
    return folder


@pytest.mark.slow
def test_a_plan_is_built_with_progress_told_once_and_then_kept(
    exported: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "gaze.plans")
    made = kept_or_built(exported, installed(), H100, tmp_path)
    assert "a plan is built for this device, once: that takes minutes" in caplog.messages
    assert caplog.messages.count("building the plan") > 4
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        f"{exported.digest}-sm_90-driver-13000-tensorrt_rtx-1.7.plan",
        "sm_90-driver-13000-tensorrt_rtx-1.7.timings",
    }
    caplog.clear()
    assert kept_or_built(exported, installed(), H100, tmp_path) == made
    assert caplog.messages == ["the plan of this device was built before"]


@pytest.mark.slow
@pytest.mark.parametrize("other", ["sm_89, driver 13000, tensorrt_rtx 1.7", "sm_90, driver 13010, tensorrt_rtx 1.7"])
def test_for_another_gpu_or_driver_it_is_built_anew_and_that_is_said(
    exported: Bundle, folder: Path, caplog: pytest.LogCaptureFixture, other: str
):
    kept_or_built(exported, installed(), other, folder)
    assert "the plans that were kept are for other devices, one is built" in caplog.messages


@pytest.mark.slow
def test_a_plan_that_was_damaged_is_never_loaded(exported: Bundle, folder: Path, caplog: pytest.LogCaptureFixture):
    (path,) = folder.glob("*-sm_90-driver-13000-*.plan")
    path.write_bytes(path.read_bytes()[:-7] + b"damaged")
    made = kept_or_built(exported, installed(), H100, folder)
    assert "the plan that was kept is damaged and built anew" in caplog.messages
    assert path.read_bytes().endswith(made)


def test_a_graph_that_cannot_be_built_is_refused_with_its_reason(exported: Bundle, tmp_path: Path):
    broken = rewritten(exported, tmp_path / "broken", "model.onnx", lambda content: content[: len(content) // 2])
    with pytest.raises(EngineError, match=r"tensorrt was asked for, but TensorRT .* cannot read this model"):
        kept_or_built(broken, installed(), H100, tmp_path / "plans")
    assert not (tmp_path / "plans").exists()
