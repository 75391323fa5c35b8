"""A trained model made into a bundle: converted, proven on its golden arrays, and only then written."""

import io
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from torch import nn

from core import bundle, golden
from core.bundle import GOLDEN, REFERENCE, Artefact, Bundle, Manifest
from core.errors import BundleError
from core.golden import INPUT, OUTPUT, Arrays
from export import golden as golden_of_model
from export.formats import FORMATS, Format, known


def make_bundle(
    folder: Path,
    model: nn.Module,
    manifest: Manifest,
    sample: Arrays,
    reference: bytes,
    formats: tuple[str, ...] = ("onnx",),
    tolerance: float | None = None,
) -> Bundle:
    """Export the model that `manifest` describes, its artefacts and files still to be filled in.

    `sample`: bars (N, L, 5), opened_at_ms (N,), symbol (N,). `reference`: the content of reference.npz. `tolerance`
    stands in for that of every format.

    Raises: BundleError: a format does not reproduce PyTorch; nothing is written then. UsageError: no such format.
    """
    bundle.refuse_taken(folder.resolve())
    arrays = golden_of_model.make(model, manifest, sample)
    files = {GOLDEN: npz(arrays), REFERENCE: reference}
    artefacts: list[Artefact] = []
    for kind in known(formats):
        form = FORMATS[kind]
        content = form.convert(model, manifest, golden.named(INPUT, arrays))
        allowed = form.tolerance if tolerance is None else tolerance
        artefacts.append(Artefact(kind, form.file, allowed, _prove(form, content, arrays, allowed)))
        files[form.file] = content
    return bundle.write(folder, msgspec.structs.replace(manifest, artefacts=tuple(artefacts)), files)


def _prove(form: Format, content: bytes, arrays: Arrays, tolerance: float) -> dict[str, float]:
    """Run all golden rows at once, and again in batches of one, two and the rest; return what the first is off by."""
    inputs, expected = golden.named(INPUT, arrays), golden.named(OUTPUT, arrays)
    measured = golden.check(expected, form.run(content, inputs), tolerance, form.file)
    rows = len(arrays["bars"])
    parts: list[dict[str, npt.NDArray[np.float32]]] = []
    for start, end in ((0, 1), (1, 3), (3, rows)):
        parts.append(form.run(content, {name: values[start:end] for name, values in inputs.items()}))
        for name, values in parts[-1].items():
            if len(values) != end - start:
                raise BundleError(
                    f"{form.file} answers {end - start} rows with {len(values)} of {name!r}: its batch is frozen. "
                    "try: a forward() whose Python code depends on no size"
                )
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    golden.check(expected, joined, tolerance, f"{form.file} in batches of 1, 2 and {rows - 3}")
    return measured


def npz(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    """The arrays as a file of numpy's; the same arrays are the same bytes, as numpy dates every member 1980."""
    stored = io.BytesIO()
    np.savez(stored, allow_pickle=False, **arrays)
    return stored.getvalue()
