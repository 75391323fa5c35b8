"""A trained model made into a bundle: converted, proven on its golden arrays, and only then written."""

import io
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from torch import nn

from core import bundle
from core.bundle import GOLDEN, REFERENCE, Artefact, Bundle, Manifest
from core.golden import Arrays
from export import golden as golden_of_model
from export import to_stream
from export.formats import FORMATS, known
from export.prove import Judge, prove
from export.source import Source


def make_bundle(
    folder: Path,
    model: nn.Module,
    manifest: Manifest,
    sample: Arrays,
    reference: bytes,
    formats: tuple[str, ...] = ("onnx",),
    tolerances: dict[str, float] | None = None,
    judge: Judge | None = None,
) -> Bundle:
    """Export the model that `manifest` describes, its artefacts and files still to be filled in.

    `sample`: bars (N, L, 5), opened_at_ms (N,), symbol (N,). `reference`: the content of reference.npz. `tolerances`:
    of formats that are to have another than their own. `judge` scores lossy formats. Beside "onnx" comes "stream",
    wherever the model can be cut before its newest row.

    Raises: BundleError: a format does not reproduce PyTorch; nothing is written then. UsageError: no such format.
    """
    bundle.refuse_taken(folder.resolve())
    known((*formats, *(tolerances or {})))
    arrays = golden_of_model.make(model, manifest, sample)
    source = Source(model, manifest, arrays)
    not_streaming = to_stream.why_not(source)
    files = {REFERENCE: reference}
    artefacts: list[Artefact] = []
    for kind in _whole(formats, not_streaming):
        form = FORMATS[kind]
        contents = form.convert(source)
        artefact, said = prove(kind, contents, source, (tolerances or {}).get(kind, form.tolerance), judge)
        artefacts.append(artefact)
        arrays |= said
        files |= form.named(contents)
    manifest = msgspec.structs.replace(
        manifest,
        artefacts=tuple(artefacts),
        not_streaming=not_streaming,
        not_carried=to_stream.why_not_carried(source),
    )
    return bundle.write(folder, manifest, files | {GOLDEN: npz(arrays)})


def _whole(formats: tuple[str, ...], not_streaming: str) -> tuple[str, ...]:
    """Each format once, in the order of FORMATS."""
    asked = {*formats, *(("stream",) if "onnx" in formats and not not_streaming else ())}
    return tuple(kind for kind in FORMATS if kind in asked)


def npz(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    """The arrays as a file of numpy's; the same arrays are the same bytes, as numpy dates every member 1980."""
    stored = io.BytesIO()
    np.savez(stored, allow_pickle=False, **arrays)
    return stored.getvalue()
