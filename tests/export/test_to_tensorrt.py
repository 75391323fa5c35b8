"""TensorRT-RTX reads a model and builds its plan without a GPU; running one is tested where there is a GPU."""

import sys
from pathlib import Path

import onnx
import pytest
from bundles import a_model
from networks import EVERY_KIND
from sources import a_source

from core import plan
from core.bundle import GOLDEN, Bundle
from core.errors import BundleError, EngineError, UsageError
from daemon.engines import open_engine
from export import to_tensorrt
from export.bundle import make_bundle
from export.source import Source
from training.families import FAMILIES


@pytest.mark.slow
def test_a_plan_is_built_and_goes_into_the_bundle_unproven(exported: Bundle, tmp_path: Path):
    arrays = exported.arrays(GOLDEN)
    sample = {name: arrays[name] for name in ("bars", "opened_at_ms", "symbol")}
    reference = exported.path("reference.npz").read_bytes()
    made = make_bundle(tmp_path / "rtx", a_model(), exported.manifest, sample, reference, ("onnx", "tensorrt"))
    artefact = made.manifest.artefact("tensorrt")
    assert artefact.measured == {}
    assert made.path(artefact.file).stat().st_size > 10_000
    with pytest.raises(EngineError, match=r"tensorrt was asked for, but .*; try: "):
        open_engine("tensorrt", made)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_plan_of_every_family_is_built_without_a_gpu(family: str):
    (built,) = to_tensorrt.convert(a_source(family, EVERY_KIND))
    assert len(built) > 10_000


def test_a_graph_that_tensorrt_cannot_read_is_refused_with_its_reason(exported: Bundle):
    source = Source(a_model(), exported.manifest, exported.arrays(GOLDEN))
    graph = onnx.load_model_from_string(source.onnx)
    graph.graph.node[0].op_type = "NoSuchThing"
    source.onnx = graph.SerializeToString()
    with pytest.raises(BundleError, match=r"TensorRT .* cannot read this model: .+ try: without --to tensorrt"):
        to_tensorrt.convert(source)


def test_without_tensorrt_the_error_says_what_to_install(exported: Bundle, monkeypatch: pytest.MonkeyPatch):
    for name in plan.MODULES:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match=r"none is installed\. try: pip install 'gazed\[tensorrt-rtx\]'"):
        to_tensorrt.convert(Source(a_model(), exported.manifest, exported.arrays(GOLDEN)))
