"""A bundle is read whole, as it was written, or refused with the reason."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from builders import a_manifest

from core import bundle
from core.bundle import GOLDEN, MANIFEST, REFERENCE, SCHEMA, Artefact, Bundle, Input, Window
from core.errors import BundleError

ONNX = Artefact("onnx", ("model.onnx",), 1e-5, {"return_1": 1e-7})
FILES = {"model.onnx": b"a graph", GOLDEN: b"golden", REFERENCE: b"reference"}


def written(folder: Path) -> Bundle:
    return bundle.write(folder, a_manifest(artefacts=(ONNX,)), FILES)


def edited(folder: Path, **changes: object) -> None:
    """Change keys of the manifest on disk; None takes a key out."""
    told = json.loads((folder / MANIFEST).read_text()) | changes
    kept = {key: value for key, value in told.items() if value is not None}
    (folder / MANIFEST).write_text(json.dumps(kept))


def test_what_was_written_is_read_back(tmp_path: Path):
    made = written(tmp_path / "demo")
    again = bundle.read(tmp_path / "demo")
    assert again == made
    assert again.manifest.artefact("onnx") == ONNX
    assert {name: again.path(name).read_bytes() for name in again.manifest.files} == FILES


def test_the_digest_names_the_content_and_not_the_place(tmp_path: Path):
    first, second = written(tmp_path / "first"), written(tmp_path / "deeper" / "second")
    other = bundle.write(tmp_path / "other", first.manifest, FILES | {"model.onnx": b"another graph"})
    assert first.digest == second.digest != other.digest


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (lambda at: (at / MANIFEST).unlink(), "is not a bundle: it has no manifest.json"),
    "truncated manifest": (lambda at: (at / MANIFEST).write_bytes((at / MANIFEST).read_bytes()[:100]), "is not JSON"),
    "manifest with a flipped bit": (
        lambda at: (at / MANIFEST).write_bytes((at / MANIFEST).read_bytes().replace(b"demo", b"dem\xef", 1)),
        "is not JSON .'utf-8' codec",
    ),
    "manifest of another kind": (lambda at: (at / MANIFEST).write_text("[1, 2]"), "is no manifest"),
    "no schema": (lambda at: edited(at, schema=None), "has schema None"),
    "older schema": (lambda at: edited(at, schema=SCHEMA - 1), "export it again with this gaze"),
    "newer schema": (lambda at: edited(at, schema=SCHEMA + 1), "use a newer gaze"),
    "field missing": (lambda at: edited(at, inputs=None), "does not fit its schema: .*`inputs`"),
    "field of another type": (lambda at: edited(at, outputs="return_1"), "does not fit its schema: .*outputs"),
    "tampered file": (lambda at: (at / "model.onnx").write_bytes(b"a grapH"), "model.onnx was changed: its sha256 is"),
    "truncated file": (lambda at: (at / GOLDEN).write_bytes(b"gold"), "golden.npz was changed"),
    "missing file": (lambda at: (at / REFERENCE).unlink(), "lacks reference.npz, which its manifest lists"),
    "added file": (lambda at: (at / "model.pkl").write_bytes(b""), "files its manifest does not list: model.pkl"),
    "added folder": (lambda at: (at / "more").mkdir(), "files its manifest does not list: more"),
    "no digest": (lambda at: edited(at, files={GOLDEN: "0", REFERENCE: "0"}), "has no digest of model.onnx"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_bundle_is_refused_with_its_reason(tmp_path: Path, damage: str):
    folder = tmp_path / "demo"
    written(folder)
    do, message = DAMAGES[damage]
    do(folder)
    with pytest.raises(BundleError, match=message) as refused:
        bundle.read(folder)
    assert "try: " in str(refused.value)
    assert str(folder) in str(refused.value)
    assert refused.value.exit_code == 78


def test_each_damage_has_a_message_of_its_own():
    messages = [message for _, message in DAMAGES.values()]
    assert len(set(messages)) == len(messages)


def test_an_artefact_outside_the_folder_is_refused(tmp_path: Path):
    folder = tmp_path / "demo"
    written(folder)
    (tmp_path / "outside.onnx").write_bytes(b"a graph")
    edited(folder, artefacts=[{"kind": "onnx", "files": ["../outside.onnx"], "tolerance": 1e-5, "measured": {}}])
    with pytest.raises(BundleError, match=r"has no digest of \.\./outside\.onnx"):
        bundle.read(folder)


def test_a_missing_artefact_names_those_there_are(tmp_path: Path):
    with pytest.raises(BundleError, match="demo has no tflite model, only onnx; try: gaze export RUN --to tflite"):
        written(tmp_path / "demo").manifest.artefact("tflite")


def test_a_new_bundle_replaces_the_one_that_was_there(tmp_path: Path):
    folder = tmp_path / "demo"
    written(folder)
    bundle.write(folder, a_manifest(artefacts=(ONNX,), version="2"), FILES)
    assert bundle.read(folder).manifest.version == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


@pytest.mark.parametrize("there", ["notes.txt", MANIFEST])
def test_nothing_but_a_bundle_is_ever_replaced(tmp_path: Path, there: str):
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / there).write_text('{"schema": 1}')
    with pytest.raises(BundleError, match="is there and is not a whole bundle"):
        written(folder)
    assert (folder / there).read_text() == '{"schema": 1}'


def test_a_write_that_fails_leaves_what_was_there_and_nothing_half_written(tmp_path: Path):
    folder = tmp_path / "demo"
    before = written(folder)
    with pytest.raises(BundleError, match=r"has no digest of reference\.npz"):
        bundle.write(folder, before.manifest, {"model.onnx": b"a graph", GOLDEN: b"golden"})
    assert bundle.read(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


@pytest.mark.parametrize("content", [b"", b"golden", b"PK\x03\x04 cut short"])
def test_a_file_that_holds_no_arrays_is_refused(tmp_path: Path, content: bytes):
    made = bundle.write(tmp_path / "demo", a_manifest(artefacts=(ONNX,)), FILES | {GOLDEN: content})
    with pytest.raises(BundleError, match=r"golden\.npz holds no arrays"):
        made.arrays(GOLDEN)


def test_a_pickle_among_the_arrays_is_never_loaded(tmp_path: Path):
    np.savez(tmp_path / "pickled.npz", bars=np.array([{"a": 1}], dtype=object))
    content = (tmp_path / "pickled.npz").read_bytes()
    made = bundle.write(tmp_path / "demo", a_manifest(artefacts=(ONNX,)), FILES | {GOLDEN: content})
    with pytest.raises(BundleError, match="holds no arrays"):
        made.arrays(GOLDEN)


@pytest.mark.parametrize(
    ("shape", "fits"),
    [
        (("batch", 48, 3), True),
        ((None, 48, 3), True),
        ((2, 48, 3), False),
        (("batch", "time", 3), False),
        (("batch", 100, 3), False),
        (("batch", 48), False),
    ],
)
def test_an_input_fits_only_any_batch_of_its_window_and_features(shape: tuple[object, ...], fits: bool):  # noqa: FBT001
    one = Input("bars", "symbol", ("a", "b", "c"), "0" * 16, 25, Window("rolling", 48, 48))
    assert one.fits(shape) is fits
    assert one.bars_needed == 72
