"""Ways to run a model on a GPU: PyTorch's and the engines of the daemon, each from raw inputs to outputs in numpy."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from core import bundle
from core.errors import EngineError
from daemon.engines import open_engine
from export.formats import FORMATS
from export.source import Source

Inputs = dict[str, npt.NDArray[np.float32]]
Runner = Callable[[Inputs], Inputs]
Opened = Callable[[Source, Path, str], tuple[Runner, str]]
"""A model, the folder of its bundles and the device -> what runs it, and what is to be said of how."""


class Way(msgspec.Struct, frozen=True):
    """`tolerance`: how far from PyTorch on the CPU, as a share of an output's largest value."""

    name: str
    opened: Opened
    tolerance: float = FORMATS["onnx"].tolerance


def eager(source: Source, _: Path, device: str) -> tuple[Runner, str]:
    """PyTorch, float32 without TF32."""
    return _torch(source, source.model.to(device), device), ""


def compiled(source: Source, _: Path, device: str) -> tuple[Runner, str]:
    """torch.compile, once for each batch size."""
    return _torch(source, torch.compile(source.model.to(device), dynamic=False), device), ""


def cuda_graph(source: Source, _: Path, device: str) -> tuple[Runner, str]:
    """The kernels of one batch size, recorded once and started together; inputs come from pinned memory."""
    if device == "cpu":
        raise EngineError("a CUDA graph needs a GPU")
    model = source.model.to(device)
    recorded: dict[
        int, tuple[torch.cuda.CUDAGraph, list[torch.Tensor], dict[str, torch.Tensor], list[torch.Tensor]]
    ] = {}

    def run(inputs: Inputs) -> Inputs:
        rows = len(next(iter(inputs.values())))
        if rows not in recorded:
            places = [torch.from_numpy(inputs[one.name]).to(device) for one in source.manifest.inputs]
            recorded[rows] = (*_record(model, places), [torch.empty(one.shape).pin_memory() for one in places])
        graph, places, said, pinned = recorded[rows]
        for place, beside, one in zip(places, pinned, source.manifest.inputs, strict=True):
            beside.copy_(torch.from_numpy(inputs[one.name]))
            place.copy_(beside, non_blocking=True)
        graph.replay()
        return {name: said[name].cpu().numpy() for name in source.manifest.graph_outputs}

    return run, ""


def windows_on_device(source: Source, _: Path, device: str) -> tuple[Runner, str]:
    """Windows stay on the device; a call moves them on by a row and uploads the newest row of each."""
    model = source.model.to(device)
    kept: dict[int, list[torch.Tensor]] = {}

    def run(inputs: Inputs) -> Inputs:
        given = [inputs[one.name] for one in source.manifest.inputs]
        rows = len(given[0])
        if rows not in kept:
            kept[rows] = [torch.from_numpy(np.roll(one, 1, axis=1)).to(device) for one in given]
        with torch.inference_mode():
            for place, values in zip(kept[rows], given, strict=True):
                place.copy_(torch.roll(place, -1, dims=1))
                place[:, -1].copy_(torch.from_numpy(np.ascontiguousarray(values[:, -1])))
            said = model(*kept[rows])
        return {name: said[name].cpu().numpy() for name in source.manifest.graph_outputs}

    return run, ""


def of_daemon(name: str, folder: str = "plain") -> Opened:
    """An engine of the daemon."""

    def opened(_: Source, bundles: Path, __: str) -> tuple[Runner, str]:
        why_not = bundles / f"{folder}.txt"
        if why_not.is_file():
            raise EngineError(why_not.read_text())
        engine = open_engine(name, bundle.read(bundles / folder))
        return engine.run, engine.reason.removeprefix("asked for").removeprefix(", ")

    return opened


_HALF = FORMATS["fp16-gpu"].tolerance
WAYS = (
    Way("PyTorch eager", eager),
    Way("torch.compile", compiled),
    Way("PyTorch, CUDA graph", cuda_graph),
    Way("PyTorch, windows on the device", windows_on_device),
    Way("onnxruntime", of_daemon("onnxruntime")),
    Way("onnxruntime-cuda", of_daemon("onnxruntime-cuda")),
    Way("onnxruntime-cuda-fp16", of_daemon("onnxruntime-cuda-fp16"), _HALF),
    Way("onnxruntime-tensorrt", of_daemon("onnxruntime-tensorrt")),
    Way("onnxruntime-tensorrt-fp16", of_daemon("onnxruntime-tensorrt-fp16"), _HALF),
    Way("tensorrt, plan built here", of_daemon("tensorrt")),
    Way("tensorrt, plan of the bundle", of_daemon("tensorrt", "planned")),
    Way("tensorrt-fp16", of_daemon("tensorrt-fp16"), _HALF),
)


def _torch(source: Source, model: Callable[..., dict[str, torch.Tensor]], device: str) -> Runner:
    def run(inputs: Inputs) -> Inputs:
        with torch.inference_mode():
            said = model(*(torch.from_numpy(inputs[one.name]).to(device) for one in source.manifest.inputs))
        return {name: said[name].cpu().numpy() for name in source.manifest.graph_outputs}

    return run


def _record(
    model: nn.Module, places: list[torch.Tensor]
) -> tuple[torch.cuda.CUDAGraph, list[torch.Tensor], dict[str, torch.Tensor]]:
    with torch.inference_mode():
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(3):
                model(*places)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            said = model(*places)
    return graph, places, said
