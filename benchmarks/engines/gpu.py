"""Every way to run a model on a GPU: does it give the golden values, and how fast? For a machine with an NVIDIA GPU.

    gaze bench gpu [--family hourly_lstm] [--window 48] [--json]

Latencies are milliseconds a batch, p50 and p99 of 200 runs, for 1, 32, 1,000 and 10,000 rows, copies to and from the
device included: PyTorch eager, torch.compile, a CUDA graph of PyTorch, windows that stay on the device and get only
their newest row, ONNX Runtime with CUDA and with TensorRT, and TensorRT itself. What cannot run says why. The parity of
each is its largest difference from PyTorch on the CPU, as a share of an output's largest value.

It has never been run: no GPU was at hand where it was written.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from torch import nn

from benchmarks.engines.models import ONE_THREAD, inputs_of, source_of
from benchmarks.house import conditions
from core import bundle, golden
from core.bundle import GOLDEN, REFERENCE, Artefact, Bundle
from core.errors import GazeError
from daemon.engines import open_engine
from export.bundle import npz
from export.formats import FORMATS
from export.source import Source

BATCHES = (1, 32, 1_000, 10_000)
RUNS = 200
Inputs = dict[str, npt.NDArray[np.float32]]
Runner = Callable[[Inputs], dict[str, npt.NDArray[np.float32]]]


def eager(source: Source) -> Runner:
    """PyTorch, float32 without TF32."""
    return _torch(source, source.model)


def compiled(source: Source) -> Runner:
    """torch.compile, once for each batch size."""
    return _torch(source, torch.compile(source.model, dynamic=False))


def cuda_graph(source: Source) -> Runner:
    """The kernels of one batch size, recorded once and started together."""
    recorded: dict[int, tuple[torch.cuda.CUDAGraph, list[torch.Tensor], dict[str, torch.Tensor]]] = {}

    def run(inputs: Inputs) -> Inputs:
        rows = len(next(iter(inputs.values())))
        if rows not in recorded:
            recorded[rows] = _record(source.model, [torch.from_numpy(one).cuda() for one in inputs.values()])
        graph, given, said = recorded[rows]
        for place, values in zip(given, inputs.values(), strict=True):
            place.copy_(torch.from_numpy(values))
        graph.replay()
        return {name: said[name].cpu().numpy() for name in source.manifest.graph_outputs}

    return run


def device_windows(source: Source) -> Runner:
    """Windows stay on the device; a call rolls them and uploads the newest row of each."""
    kept: dict[int, list[torch.Tensor]] = {}

    def run(inputs: Inputs) -> Inputs:
        rows = len(next(iter(inputs.values())))
        if rows not in kept:
            kept[rows] = [torch.from_numpy(np.roll(one, 1, axis=1)).cuda() for one in inputs.values()]
        with torch.inference_mode():
            for place, values in zip(kept[rows], inputs.values(), strict=True):
                place.copy_(torch.roll(place, -1, dims=1))
                place[:, -1].copy_(torch.from_numpy(np.ascontiguousarray(values[:, -1])))
            said = source.model(*kept[rows])
        return {name: said[name].cpu().numpy() for name in source.manifest.graph_outputs}

    return run


def ort_tensorrt(source: Source) -> Runner:
    """ONNX Runtime's TensorRT provider, which is asked for alone: no falling back."""
    provider = "TensorrtExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise RuntimeError(f"onnxruntime {onnxruntime.__version__} is built without TensorRT")
    source.model.cpu()  # the exporter traces there
    session = onnxruntime.InferenceSession(source.onnx, providers=[provider])
    if session.get_providers()[0] != provider:
        raise RuntimeError(f"it fell back to {session.get_providers()[0]}")
    names = list(source.manifest.graph_outputs)
    return lambda inputs: dict(zip(names, session.run(names, inputs), strict=True))


def of_daemon(name: str, kind: str) -> Callable[[Source], Runner]:
    """An engine of the daemon, opened from a bundle."""

    def opened(source: Source) -> Runner:
        with tempfile.TemporaryDirectory() as folder:
            return open_engine(name, _bundle(Path(folder) / "bundle", kind, source)).run

    return opened


PATHS: dict[str, Callable[[Source], Runner]] = {
    "PyTorch eager": eager,
    "torch.compile": compiled,
    "CUDA graph": cuda_graph,
    "windows on the device": device_windows,
    "ONNX Runtime, CUDA": of_daemon("onnxruntime-cuda", "onnx"),
    "ONNX Runtime, TensorRT": ort_tensorrt,
    "TensorRT, plan exported": of_daemon("tensorrt", "tensorrt"),
    "TensorRT, plan built here": of_daemon("tensorrt", "onnx"),
}


def measure(family: str, window: int) -> list[dict[str, Any]]:
    """One entry for each path."""
    source = source_of(family, window)
    found: list[dict[str, Any]] = []
    for name, opened in PATHS.items():
        source.model.cuda()
        try:
            run = opened(source)
            off = golden.differences(source.outputs, run(source.inputs), name)
            latency = {rows: _latency_ms(run, inputs_of(source.manifest, rows)) for rows in BATCHES}
        except (GazeError, RuntimeError) as error:
            found.append({"path": name, "refused": str(error).splitlines()[0]})
        else:
            found.append({"path": name, "off": max(off.values()), "p50_p99_ms": latency})
    return found


def _torch(source: Source, model: Callable[..., dict[str, torch.Tensor]]) -> Runner:
    def run(inputs: Inputs) -> Inputs:
        with torch.inference_mode():
            said = model(*(torch.from_numpy(inputs[one.name]).cuda() for one in source.manifest.inputs))
        return {name: said[name].cpu().numpy() for name in source.manifest.graph_outputs}

    return run


def _record(
    model: nn.Module, given: list[torch.Tensor]
) -> tuple[torch.cuda.CUDAGraph, list[torch.Tensor], dict[str, torch.Tensor]]:
    with torch.inference_mode():
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(3):
                model(*given)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            said = model(*given)
    return graph, given, said


def _bundle(folder: Path, kind: str, source: Source) -> Bundle:
    source.model.cpu()  # the exporter traces there
    form = FORMATS[kind]
    files = form.named(form.convert(source))
    artefact = Artefact(kind, tuple(files), form.tolerance, {})
    files |= {GOLDEN: npz({}), REFERENCE: npz({})}
    return bundle.write(folder, msgspec.structs.replace(source.manifest, artefacts=(artefact,)), files)


def _latency_ms(run: Runner, inputs: Inputs) -> tuple[float, float]:
    for _ in range(10):
        run(inputs)
    taken = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        run(inputs)
        taken.append((time.perf_counter() - begun) * 1e3)
    return float(np.percentile(taken, 50)), float(np.percentile(taken, 99))


def device() -> str:
    """The GPU and its driver, as nvidia-smi tells them."""
    asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="hourly_lstm")
    parser.add_argument("--window", type=int, default=48)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        sys.exit("this measures GPUs, and PyTorch finds none here; try: a machine with an NVIDIA GPU and its driver")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    report = {**conditions(**ONE_THREAD | {"machine": device()}), "results": measure(asked.family, asked.window)}
    if asked.json:
        print(json.dumps(report, indent=2))
        return
    print(" | ".join(f"{key}: {told}" for key, told in report.items() if key != "results"))
    for row in report["results"]:
        if "refused" in row:
            print(f"{row['path']:<24} {row['refused']}")
            continue
        speed = "  ".join(f"{rows}: {p50:.2f} / {p99:.2f} ms" for rows, (p50, p99) in row["p50_p99_ms"].items())
        print(f"{row['path']:<24} off {row['off']:.0e}  {speed}")


if __name__ == "__main__":
    main()
