"""The benchmark of GPUs, rehearsed without one: what cannot run says why, what is off from golden ends in status 1."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.engines import gpu
from benchmarks.engines.models import source_of
from benchmarks.engines.ways import WAYS, Inputs, Runner, Way, eager
from export.source import Source

FAMILY, WINDOW = "dual_tower", 16


@pytest.fixture(scope="module")
def source() -> Source:
    return source_of(FAMILY, WINDOW)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gpu.prepared(FAMILY, WINDOW, tmp_path_factory.mktemp("bundles"))


def off_by_a_percent(source: Source, folder: Path, device: str) -> tuple[Runner, str]:
    run, told = eager(source, folder, device)

    def scaled(inputs: Inputs) -> Inputs:
        return {name: values * np.float32(1.01) for name, values in run(inputs).items()}

    return scaled, told


@pytest.mark.slow
@pytest.mark.parametrize("name", ["PyTorch eager", "PyTorch, windows on the device", "onnxruntime"])
def test_what_runs_on_a_cpu_gives_the_golden_values_and_is_timed(source: Source, folder: Path, name: str):
    (way,) = [one for one in WAYS if one.name == name]
    report = gpu.measure(way, source, folder, "cpu", (1, 3), most=2)
    assert report["golden"]
    assert {rows: ms["runs"] for rows, ms in report["ms"].items()} == {1: 2, 3: 2}
    assert all(0 < ms["p50"] <= ms["p99"] for ms in report["ms"].values())


@pytest.mark.slow
def test_a_way_that_is_off_by_a_percent_is_found_out(source: Source, folder: Path):
    report = gpu.measure(Way("scaled", off_by_a_percent), source, folder, "cpu", (1,), most=1)
    assert not report["golden"]
    assert gpu.off_from_golden([report, {"way": "other", "refused": "no GPU"}]) == ["scaled"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_rehearsal_goes_through_every_way_and_keeps_what_it_found(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    chosen = ("PyTorch eager", "PyTorch, CUDA graph", "tensorrt-fp16")
    monkeypatch.setattr(gpu, "WAYS", tuple(one for one in WAYS if one.name in chosen))
    out = tmp_path / "gpu.json"
    words = ["--device", "cpu", "--family", FAMILY, "--window", str(WINDOW), "--bundle", str(folder), "--out", str(out)]
    gpu.main([*words, "--batches", "1,3", "--runs", "2"])
    (report,) = json.loads(out.read_text())
    assert report["device"] == "a rehearsal without a GPU"
    assert report["date"]
    ran, *refused = report["results"]
    assert ran["golden"]
    assert "a CUDA graph needs a GPU" in refused[0]["refused"]
    assert "tensorrt-fp16 was asked for, but" in refused[1]["refused"]
    assert "| PyTorch eager | 0e+00 |" in capsys.readouterr().out


def test_the_page_has_every_way_and_marks_what_is_off():
    ran = {"way": "eager", "told": "", "off": 2e-7, "golden": True, "ms": {"1": {"p50": 0.5, "p99": 0.75, "runs": 9}}}
    wrong = ran | {"way": "odd", "told": "without a CUDA graph: loops", "off": 0.01, "golden": False}
    refused = {"way": "tensorrt", "refused": "there is no driver"}
    report = {"device": "H100, 580", "family": "tcn", "window": 48, "date": "2026-11-22", "commit": "abc"}
    told = gpu.page([report | {"batches": [1], "results": [ran, wrong, refused]}])
    assert (
        told.splitlines()
        == [
            "H100, 580, `tcn` over 48 bars, 2026-11-22, abc:",
            "",
            "| way | off | p50 / p99, ms: 1 |",
            "|---|---|---|",
            "| eager | 2e-07 | 0.50 / 0.75 |",
            "| odd (without a CUDA graph: loops) | 1e-02, **past its tolerance** | 0.50 / 0.75 |",
            "| tensorrt | no: there is no driver | |",
            "",
        ][:-1]
    )
