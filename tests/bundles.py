"""Bundles for tests: a small LSTM with attention of random weights, exported as any model is."""

import functools
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import onnx
import torch
from builders import a_manifest
from torch import Tensor, nn

from core import bundle
from core.bundle import GOLDEN, Bundle, Manifest
from export.bundle import make_bundle, npz

WINDOW = 48

# Tests run side by side, one process a core: threads of each would wait for one another.
torch.set_num_threads(1)


class SmallLstm(nn.Module):
    """Raw features (N, T, 3) -> return_1 (N,) and the attention over time (N, T)."""

    def __init__(self, hidden: int = 16) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, hidden, batch_first=True)
        self.score = nn.Linear(hidden, 1)
        self.head = nn.Linear(hidden, 1)
        self.register_buffer("std", torch.tensor([5e-3, 0.5, 5e-3]))

    def forward(self, x_NTF: Tensor) -> dict[str, Tensor]:
        """(N, T, F) -> outputs by name."""
        hidden_NTH, _ = self.lstm(x_NTF / self.std)
        return self.look(hidden_NTH, self.scores(hidden_NTH))

    def prefix(self, x_NTF: Tensor) -> dict[str, Tensor]:
        """All rows but the newest -> what step() needs of them."""
        hidden_NTH, (_, cell_1NH) = self.lstm(x_NTF / self.std)
        return {"hidden": hidden_NTH, "cell": cell_1NH.squeeze(0), "scores": self.scores(hidden_NTH)}

    def step(self, states: Mapping[str, Tensor], x_N1F: Tensor) -> dict[str, Tensor]:
        """The newest row -> outputs by name."""
        before = (states["hidden"][:, -1].unsqueeze(0), states["cell"].unsqueeze(0))
        hidden_N1H, _ = self.lstm(x_N1F / self.std, before)
        scores_NT = torch.cat([states["scores"], self.scores(hidden_N1H)], dim=1)
        return self.look(torch.cat([states["hidden"], hidden_N1H], dim=1), scores_NT)

    def scores(self, hidden_NTH: Tensor) -> Tensor:
        """How much each step asks to be looked at, (N, T)."""
        scores_NT: Tensor = self.score(torch.tanh(hidden_NTH)).squeeze(-1)
        return scores_NT

    def look(self, hidden_NTH: Tensor, scores_NT: Tensor) -> dict[str, Tensor]:
        """Outputs by name."""
        weights_NT = torch.softmax(scores_NT, dim=-1)
        context_NH = (weights_NT.unsqueeze(-1) * hidden_NTH).sum(dim=1)
        return {"attention": weights_NT, "return_1": self.head(context_NH).squeeze(-1) * 5e-3}


def a_model(hidden: int = 16, seed: int = 7) -> SmallLstm:
    """A SmallLstm with the weights of this seed; torch's own random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SmallLstm(hidden).eval()


def a_sample(manifest: Manifest, rows: int = 12, seed: int = 7) -> dict[str, npt.NDArray[Any]]:
    """Random walks, long enough for the model's windows."""
    chance = np.random.default_rng(seed)
    steps = max(one.bars_needed for one in manifest.inputs)
    close_NL = 100 * np.exp(np.cumsum(chance.normal(0, 5e-3, (rows, steps)), axis=1))
    open_NL = np.concatenate([close_NL[:, :1], close_NL[:, :-1]], axis=1)
    volume_NL = chance.lognormal(3, 1, (rows, steps))
    high_NL, low_NL = np.maximum(open_NL, close_NL) * 1.001, np.minimum(open_NL, close_NL) * 0.999
    return {
        "bars": np.stack([open_NL, high_NL, low_NL, close_NL, volume_NL], axis=-1),
        "opened_at_ms": np.arange(rows, dtype=np.int64) * 3_600_000,
        "symbol": np.array(["BTCUSDT"] * rows),
    }


def a_reference(window: int = WINDOW) -> bytes:
    """A reference.npz in which attention looked evenly."""
    return npz({"attention.profile": np.full(window, 1 / window), "attention.entropy": np.ones(4)})


def a_bundle(folder: Path, hidden: int = 16, **changes: Any) -> Bundle:
    """A bundle of `a_model`, proven and written. `changes`: arguments of make_bundle."""
    if changes.keys() <= {"formats"}:
        return bundle.write(folder, *_exported(hidden, changes.get("formats", ("onnx",))))
    manifest = a_manifest(WINDOW)
    usual = {"sample": a_sample(manifest), "reference": a_reference()}
    return make_bundle(folder, a_model(hidden), manifest, **(usual | changes))


@functools.cache
def _exported(hidden: int, formats: tuple[str, ...]) -> tuple[Manifest, dict[str, bytes]]:
    """An export takes seconds, so each is made once a process."""
    manifest = a_manifest(WINDOW)
    with tempfile.TemporaryDirectory() as folder:
        made = make_bundle(Path(folder) / "made", a_model(hidden), manifest, a_sample(manifest), a_reference(), formats)
        return made.manifest, {name: made.path(name).read_bytes() for name in made.manifest.files}


def rewritten(original: Bundle, folder: Path, file: str, change: Callable[[bytes], bytes], **changes: Any) -> Bundle:
    """A copy whose one file is changed and whose digests are right again: what only a golden check can refuse."""
    files = {name: original.path(name).read_bytes() for name in original.manifest.files}
    files[file] = change(files[file])
    return bundle.write(folder, msgspec.structs.replace(original.manifest, **changes), files)


def scaled(name: str, factor: float) -> Callable[[bytes], bytes]:
    """A change of a graph, for `rewritten`: one weight tensor times a factor."""

    def changed(content: bytes) -> bytes:
        graph = onnx.load_model_from_string(content)
        (weight,) = [one for one in graph.graph.initializer if one.name == name]
        values = onnx.numpy_helper.to_array(weight)
        weight.CopyFrom(onnx.numpy_helper.from_array(values * values.dtype.type(factor), name))
        return bytes(graph.SerializeToString(deterministic=True))

    return changed


def float_weights(graph: bytes) -> list[str]:
    """The names of a graph's float matrices that are not nothing but zeros."""
    stored = {one.name: onnx.numpy_helper.to_array(one) for one in onnx.load_model_from_string(graph).graph.initializer}
    return [name for name, one in stored.items() if one.dtype == np.float32 and one.ndim > 1 and one.any()]


def weights(original: Bundle, file: str = "model.onnx") -> dict[str, npt.NDArray[np.float32]]:
    """The float tensors of a graph, whole or half, by name."""
    stored = onnx.load_model(original.path(file)).graph.initializer
    found = {one.name: onnx.numpy_helper.to_array(one) for one in stored}
    return {name: values for name, values in found.items() if values.dtype in (np.float32, np.float16)}


def golden_with(original: Bundle, change: Callable[[dict[str, npt.NDArray[Any]]], None]) -> Callable[[bytes], bytes]:
    """A change of golden.npz, for `rewritten`."""

    def changed(_: bytes) -> bytes:
        arrays = original.arrays(GOLDEN)
        change(arrays)
        return npz(arrays)

    return changed
