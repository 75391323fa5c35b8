"""A model becomes a TFLite file in an environment of its own, and gives what PyTorch gives, one row at a time."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import msgspec
import pytest
from builders import a_manifest
from bundles import a_bundle, a_model, a_sample, rewritten
from networks import VARIANTS
from sources import a_source as family_source

from core.bundle import Bundle
from core.errors import BundleError, EngineError, UsageError
from daemon.engines import open_engine
from daemon.engines.proof import prove
from export import golden as golden_of_model
from export import to_tflite
from export.prove import prove as prove_export
from export.source import Source

FIRST_VARIANTS = [*{family: (family, variant) for family, variant in reversed(VARIANTS)}.values()]


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    try:
        to_tflite.environment(os.environ)
    except (UsageError, subprocess.SubprocessError) as error:
        pytest.skip(f"LiteRT's environment cannot be made here: {type(error).__name__}")
    return a_bundle(tmp_path_factory.mktemp("tflite") / "tflite", formats=("onnx", "tflite"))


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_model_is_converted_and_gives_what_pytorch_gives(converted: Bundle):
    artefact = converted.manifest.artefact("tflite")
    assert artefact.measured.keys() == {"return_1", "attention"}
    assert max(artefact.measured.values()) < 1e-5


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_litert_serves_it_and_refuses_another_file(converted: Bundle, tmp_path: Path):
    proof = prove(open_engine("litert", converted), converted)
    assert proof.same_bits_alone
    assert proof.rows == 12
    broken = rewritten(converted, tmp_path / "broken", "model.tflite", lambda content: content[: len(content) // 2])
    with pytest.raises(BundleError, match=r"LiteRT cannot load model\.tflite"):
        open_engine("litert", broken)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_weights_that_are_wrong_by_one_percent_are_refused(converted: Bundle, tmp_path: Path):
    """A weight lies in the file as its bytes, each at the places where the unrolled steps read it."""
    content, changed = converted.path("model.tflite").read_bytes(), set()
    for name, weight in a_model().named_parameters():
        found, to = weight.detach().numpy().tobytes(), (weight.detach() * 1.01).numpy().tobytes()
        if weight.ndim > 1 and found in content:
            changed.add(name)
            spoilt = rewritten(converted, tmp_path / name, "model.tflite", partial(_with, found, to))
            with pytest.raises(BundleError, match=r"model\.tflite on litert does not reproduce its golden values"):
                prove(open_engine("litert", spoilt), spoilt)
    # The head's is multiplied by the unit of what it says, and lies there as another number.
    assert changed == {"lstm.weight_ih_l0", "lstm.weight_hh_l0", "score.weight"}


def _with(found: bytes, to: bytes, content: bytes) -> bytes:
    return content.replace(found, to)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(("family", "variant"), [*FIRST_VARIANTS, ("hybrid_lstm", "last")])
def test_every_family_is_converted(converted: Bundle, family: str, variant: str):
    assert converted.manifest.artefact("tflite")  # The environment is there.
    source = family_source(family, variant=variant)
    proven, _ = prove_export("tflite", to_tflite.convert(source), source, 1e-5)
    assert max(proven.measured.values()) < 1e-5


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_file_for_another_window_is_refused(converted: Bundle, tmp_path: Path):
    (one,) = converted.manifest.inputs
    inputs = (msgspec.structs.replace(one, window=msgspec.structs.replace(one.window, length=47)),)
    other = rewritten(converted, tmp_path / "other", "model.tflite", bytes, inputs=inputs)
    with pytest.raises(BundleError, match=r"model\.tflite takes .*48.*, its manifest says .*47"):
        open_engine("litert", other)


def test_without_litert_the_error_says_what_to_install(exported: Bundle, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "daemon.engines.litert", raising=False)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(EngineError, match=r"ai-edge-litert is not installed; try: pip install 'gazed\[litert\]'"):
        open_engine("litert", exported)


def test_a_window_too_long_to_unroll_is_refused_before_anything_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    manifest = a_manifest(150)
    source = Source(a_model(), manifest, golden_of_model.make(a_model(), manifest, a_sample(manifest)))
    with pytest.raises(BundleError, match=r"150 steps are too many for it; at most 120 are tried"):
        to_tflite.convert(source)
    assert list(tmp_path.iterdir()) == []
