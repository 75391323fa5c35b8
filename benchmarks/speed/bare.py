"""The bare model: nothing but ONNX Runtime on inputs that lie in memory, in the fastest arrangement of chunks."""

import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

Inputs = dict[str, npt.NDArray[np.float32]]

_CHUNKS: Final = (16, 32, 64, 128, 256)
_THREADS: Final = (1, 2)
_TRIAL_ROWS: Final = 2_048


class Bare(msgspec.Struct, frozen=True):
    """The fastest arrangement, its median over all rows, and every time taken; `cpu_ms`: the median of CPU time."""

    chunk: int
    threads: int
    median_ms: float
    cpu_ms: float
    all_ms: tuple[float, ...]


class BareModel:
    """One graph, one thread inside each call, and as many calls at once as there are threads."""

    def __init__(self, graph: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(graph.read_bytes(), options, providers=["CPUExecutionProvider"])

    def seconds(self, inputs: Inputs, chunk: int, threads: int) -> float:
        """How long all rows take, cut into chunks."""
        rows = len(next(iter(inputs.values())))
        chunks = [
            {name: rows_NTF[at : at + chunk] for name, rows_NTF in inputs.items()} for at in range(0, rows, chunk)
        ]
        begun = time.perf_counter()
        if threads == 1:
            self._run(chunks)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(self._run, [chunks[number::threads] for number in range(threads)]))
        return time.perf_counter() - begun

    def _run(self, chunks: Sequence[Any]) -> None:
        for chunk in chunks:
            self._session.run(None, chunk)

    def fastest(self, inputs: Inputs, repeats: int) -> Bare:
        """Try every arrangement on some rows, twice; then take the fastest over all rows, so many times."""
        some = {name: rows_NTF[:_TRIAL_ROWS] for name, rows_NTF in inputs.items()}
        tried = [
            (min(self.seconds(some, chunk, threads) for _ in range(2)), chunk, threads)
            for threads in _THREADS
            for chunk in _CHUNKS
        ]
        _, chunk, threads = min(tried)
        taken, used = [], []
        for _ in range(repeats):
            begun = time.process_time()
            taken.append(self.seconds(inputs, chunk, threads) * 1e3)
            used.append((time.process_time() - begun) * 1e3)
        return Bare(chunk, threads, statistics.median(taken), statistics.median(used), tuple(taken))
