"""Plans that ONNX Runtime's TensorRT provider builds are kept by what they depend on, and built with a word."""

import logging
import threading
from pathlib import Path

import pytest

from daemon.engines.provider_plans import options, places, ticking, watched

H100 = "sm_90, driver 13000, onnxruntime 1.31.1, tensorrt 101301"


def test_the_provider_is_told_where_to_keep_plans_and_timings():
    told = options(Path("/cache/plans"), Path("/cache/timed"), half=False)
    assert told["trt_engine_cache_enable"] == told["trt_timing_cache_enable"] == "1"
    assert (told["trt_engine_cache_path"], told["trt_timing_cache_path"]) == ("/cache/plans", "/cache/timed")
    assert "trt_fp16_enable" not in told


def test_half_precision_is_allowed_where_it_was_asked_for_and_nowhere_else():
    told = options(Path("/cache/plans"), Path("/cache/timed"), half=True)
    assert told["trt_fp16_enable"] == "1"


@pytest.mark.parametrize(
    "other",
    [
        {"digest": "other"},
        {"file": "model.fp16.gpu.onnx"},
        {"device": "sm_89, driver 13000, onnxruntime 1.31.1, tensorrt 101301"},
        {"device": "sm_90, driver 13010, onnxruntime 1.31.1, tensorrt 101301"},
        {"device": "sm_90, driver 13000, onnxruntime 1.32.0, tensorrt 101301"},
        {"device": "sm_90, driver 13000, onnxruntime 1.31.1, tensorrt 101400"},
    ],
)
def test_plans_of_another_bundle_graph_gpu_driver_or_library_are_kept_apart(other: dict[str, str]):
    usual = {"digest": "abc", "device": H100, "file": "model.onnx"}
    assert places(Path("/cache"), **usual)[0] != places(Path("/cache"), **(usual | other))[0]
    same_timings = places(Path("/cache"), **usual)[1] == places(Path("/cache"), **(usual | other))[1]
    assert same_timings == ("device" not in other)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "gaze.plans")
    return caplog


def built(root: Path, device: str, content: bytes | None) -> None:
    """One opening, in which the provider writes this plan, or none."""
    plans, timings = places(root, "abc", device, "model.onnx")
    with watched(plans, timings, "abc", device):
        if content is not None:
            (plans / "graph_sm90.engine").write_bytes(content)


def test_a_plan_is_built_once_with_a_word_before_and_behind(tmp_path: Path, told: pytest.LogCaptureFixture):
    built(tmp_path, H100, b"plan")
    assert told.messages == ["a plan is built for this device, once: that takes minutes", "the plan is built"]
    told.clear()
    built(tmp_path, H100, None)
    assert told.messages == ["the plan of this device was built before"]


def test_for_another_device_it_is_built_anew_and_that_is_said(tmp_path: Path, told: pytest.LogCaptureFixture):
    built(tmp_path, H100, b"plan")
    told.clear()
    built(tmp_path, H100.replace("sm_90", "sm_89"), b"plan")
    assert told.messages[0] == "the plans that were kept are for other devices, one is built"
    assert "sm_90" in str(told.records[0].__dict__["others"])


def test_a_plan_that_was_kept_and_not_taken_is_said(tmp_path: Path, told: pytest.LogCaptureFixture):
    built(tmp_path, H100, b"plan")
    (plan,) = tmp_path.rglob("*.engine")
    plan.unlink()
    (plan.parent / "older_sm90.engine").write_bytes(b"plan")
    told.clear()
    built(tmp_path, H100, b"another")
    assert told.messages[-1] == "TensorRT did not take the plan that was kept, and built it anew"


def test_where_nothing_can_be_kept_that_is_said(tmp_path: Path, told: pytest.LogCaptureFixture):
    (tmp_path / "file").touch()
    built(tmp_path / "file", H100, None)
    assert "what is built cannot be kept, every start builds it anew" in told.messages


def test_a_long_build_says_that_it_goes_on_until_it_ends():
    twice, calls = threading.Event(), []

    def tell() -> None:
        calls.append(len(calls))
        if len(calls) == 2:
            twice.set()

    with ticking(0.001, tell):
        assert twice.wait(60)
    count = len(calls)
    assert not any(one.name == "ticking" for one in threading.enumerate())
    assert len(calls) == count
