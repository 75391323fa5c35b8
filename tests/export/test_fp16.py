"""Half precision: smaller, measured for what it costs, refused where it costs too much."""

from pathlib import Path

import pytest
from bundles import a_bundle
from sources import a_source

from core.bundle import GOLDEN
from core.errors import BundleError
from export import to_fp16
from export.prove import prove
from training.families import FAMILIES


def test_half_precision_says_what_it_costs_and_is_held_to_what_it_said_itself(tmp_path: Path):
    made = a_bundle(tmp_path / "half", hidden=128, formats=("onnx", "fp16"))
    artefact = made.manifest.artefact("fp16")
    assert artefact.cost.keys() == {"return_1", "attention"}
    assert 1e-5 < max(artefact.cost.values()) < 0.005
    assert artefact.measured == {"return_1": 0.0, "attention": 0.0}
    assert made.path("model.fp16.onnx").stat().st_size < made.path("model.onnx").stat().st_size * 0.6
    assert "fp16.attention" in made.arrays(GOLDEN)


def test_a_cost_past_the_tolerance_is_refused(tmp_path: Path):
    with pytest.raises(BundleError, match=r"model\.fp16\.onnx costs too much: '.*' is off by .*--tolerance-fp16"):
        a_bundle(tmp_path / "strict", formats=("fp16",), tolerances={"fp16": 1e-6})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_runs_in_half_precision_on_a_cpu(family: str):
    source = a_source(family)
    artefact, _ = prove("fp16", to_fp16.convert(source), source, 0.005)
    assert artefact.cost.keys() == source.outputs.keys()
