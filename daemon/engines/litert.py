"""LiteRT on the CPU of a small board: model.tflite, one row at a time."""

import threading

import numpy as np

from core.bundle import Bundle
from core.errors import BundleError, EngineError
from daemon.ports import Float32s

try:
    from ai_edge_litert.interpreter import Interpreter
except ModuleNotFoundError as error:
    raise EngineError("ai-edge-litert is not installed; try: pip install 'gazed[litert]'") from error


class LiteRt:
    """Runs model.tflite. A row's bits depend on nothing but the row: the graph takes one."""

    name = "litert"
    device = "cpu"

    def __init__(self, bundle: Bundle) -> None:
        self.reason = "asked for"
        self.artefact = bundle.manifest.artefact("tflite")
        file = self.artefact.file
        try:
            self._interpreter = Interpreter(model_content=bundle.path(file).read_bytes(), num_threads=1)
            self._interpreter.allocate_tensors()
            self._runner = self._interpreter.get_signature_runner()
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"LiteRT cannot load {file} ({error}); try: gaze export again") from error
        given = {name: tuple(told["shape"]) for name, told in self._runner.get_input_details().items()}
        expected = {one.name: (1, *one.row) for one in bundle.manifest.inputs}
        if given != expected:
            raise BundleError(f"{file} takes {given}, its manifest says {expected}; try: gaze export again")
        answers = self._runner.get_output_details()
        lacking = set(bundle.manifest.graph_outputs) - answers.keys()
        if lacking:
            raise BundleError(
                f"{file} does not give {', '.join(sorted(lacking))}, its manifest says so; try: gaze export again"
            )
        self._shapes = {name: tuple(told["shape"][1:]) for name, told in answers.items()}
        self._one_at_a_time = threading.Lock()

    def run(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        """Every input (N, T, F) -> every output (N, ...)."""
        rows = len(next(iter(inputs.values())))
        made = {name: np.empty((rows, *shape), np.float32) for name, shape in self._shapes.items()}
        with self._one_at_a_time:
            for row in range(rows):
                fed = {name: np.ascontiguousarray(values[row : row + 1]) for name, values in inputs.items()}
                for name, values in self._runner(**fed).items():
                    made[name][row] = values[0]
        return made
