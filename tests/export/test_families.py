"""Every family of models exports, with random weights, all kinds of output and all its attentions."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from builders import a_manifest
from bundles import a_reference, a_sample
from networks import EVERY_KIND, a_network, inputs_of
from sources import WINDOW, a_trained, real_inputs

from core.bundle import GOLDEN
from core.outputs import Kind
from export import to_onnx
from export.bundle import make_bundle
from export.to_stream import Causal
from training import families
from training.families import FAMILIES
from training.fitting import calibration
from training.fitting.calibration import Isotonic, Temperature
from training.recipe import Calibration


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_exports_and_reproduces_itself(family: str, tmp_path: Path):
    # Heads are the same in every family: one of them shows that all kinds export.
    outputs = EVERY_KIND if family == "dual_tower" else EVERY_KIND[:1]
    model, manifest, sample = a_trained(family, outputs)
    made = make_bundle(tmp_path / family, model, manifest, sample, a_reference(WINDOW))
    artefact = made.manifest.artefact("onnx")
    assert set(artefact.measured) == {one.name for one in (*outputs, *model.attentions)}
    assert msgspec.structs.replace(made.manifest, artefacts=(), files={}, not_streaming="", not_carried="") == manifest
    if isinstance(model, Causal):
        assert set(made.manifest.artefact("stream").measured) == set(artefact.measured)
    else:
        assert made.manifest.not_streaming


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_of_its_usual_size_is_made_from_no_options(name: str):
    assert families.build(name, {}, inputs_of(name, 256), EVERY_KIND).attentions


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_a_calibrated_model_says_calibrated_probabilities_in_every_form(method: str, tmp_path: Path):
    outputs = tuple(one for one in EVERY_KIND if one.kind in {Kind.DIRECTION, Kind.PROBABILITY, Kind.ORDINAL})
    model = a_network("hourly_lstm", "linear", outputs, seed=1)
    calibration.attach(model, Calibration(method))
    for head in model.heads.values():
        if isinstance(head.before, Temperature):
            head.before.temperature.fill_(0.25)
        if isinstance(head.after, Isotonic):
            head.after.through(np.array([0.3, 0.5, 0.6]), np.array([0.05, 0.2, 0.9]))
    manifest = a_manifest(inputs=real_inputs("hourly_lstm"), outputs=outputs, attentions=model.attentions)
    made = make_bundle(tmp_path / "made", model, manifest, a_sample(manifest), a_reference(WINDOW))
    assert made.manifest.artefact("stream").same_bits
    golden = made.arrays(GOLDEN)
    inputs = {"features": golden["input.features"]}
    said = to_onnx.run((made.folder / "model.onnx").read_bytes(), inputs)
    raw = model.raw(torch.from_numpy(inputs["features"]))
    for output in outputs:
        plain = model.head(output).plain(raw[output.name]).detach().numpy()
        assert np.abs(said[output.name] - plain).max() > 0.01
        np.testing.assert_allclose(said[output.name], golden[f"output.{output.name}"], atol=1e-6)
