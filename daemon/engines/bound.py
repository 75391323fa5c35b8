"""A graph of ONNX Runtime whose inputs and outputs have places of their own on a device."""

import threading
from typing import Any, Final

import numpy as np

from daemon.engines.driver import Memory
from daemon.engines.runtime import ort
from daemon.ports import Float32s

TYPES: Final = {"tensor(float)": np.float32, "tensor(int64)": np.int64}


class Bound:
    """Places made once, for batches of one size, and beside each a place in the host's memory, pinned.

    A call copies numbers there and back and nothing else; fixed places are also what a CUDA graph needs.
    """

    def __init__(self, session: Any, device: str, rows: int, memory: Memory) -> None:
        self._session, self._memory = session, memory
        self._binding = session.io_binding()
        self._given = {one.name: self._place(one, device, rows) for one in session.get_inputs()}
        self._said = {one.name: self._place(one, device, rows) for one in session.get_outputs()}
        for name, (place, _) in self._given.items():
            self._binding.bind_ortvalue_input(name, place)
        for name, (place, _) in self._said.items():
            self._binding.bind_ortvalue_output(name, place)
        self._one_at_a_time = threading.Lock()

    def run(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        """Every input (rows, ...) -> every output (rows, ...)."""
        with self._one_at_a_time:
            for name, values in inputs.items():
                place, beside = self._given[name]
                beside[...] = values
                self._memory.upload(place.data_ptr(), beside)
            self._session.run_with_iobinding(self._binding)
            for place, beside in self._said.values():
                self._memory.download(beside, place.data_ptr())
            return {name: beside.copy() for name, (_, beside) in self._said.items()}

    def _place(self, one: Any, device: str, rows: int) -> tuple[Any, Any]:
        shape, kind = (rows, *one.shape[1:]), TYPES[one.type]
        return (
            ort.OrtValue.ortvalue_from_shape_and_type(list(shape), kind, device, 0),
            self._memory.pinned(shape, kind),
        )
