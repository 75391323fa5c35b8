"""Every family of models exports, with random weights and with all its attentions."""

from pathlib import Path

import msgspec
import pytest
import torch
from builders import a_manifest
from bundles import WINDOW, a_reference, a_sample

from core.outputs import Kind, Output
from export.bundle import make_bundle
from training import families


@pytest.mark.parametrize("name", families.FAMILIES)
def test_a_family_exports_and_reproduces_itself(name: str, tmp_path: Path):
    outputs = (Output(Kind.RETURN, 1, "log return"), Output(Kind.QUANTILES, 4, "log return", (0.05, 0.5, 0.95)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = families.build(name, {}, 3, WINDOW, outputs).eval()
    manifest = a_manifest(WINDOW, outputs=outputs, attentions=model.attentions, family=name)
    made = make_bundle(tmp_path / name, model, manifest, a_sample(manifest), a_reference())
    (artefact,) = made.manifest.artefacts
    assert set(artefact.measured) == {"return_1", "quantiles_4", *(one.name for one in model.attentions)}
    assert msgspec.structs.replace(made.manifest, artefacts=(), files={}) == manifest
