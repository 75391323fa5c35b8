"""A model becomes a bundle only if the bundle gives what the model gives."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from builders import a_manifest
from bundles import WINDOW, SmallLstm, a_bundle, a_model, a_reference, a_sample, rewritten, scaled, weights
from torch import Tensor, nn

from core import bundle, golden
from core.bundle import GOLDEN, REFERENCE, Bundle
from core.errors import BundleError, UsageError
from core.golden import INPUT, OUTPUT
from export import formats
from export.bundle import make_bundle


def test_the_bundle_holds_what_pytorch_said_about_the_bars(exported: Bundle):
    arrays = exported.arrays(GOLDEN)
    sample = a_sample(exported.manifest)
    assert all(np.array_equal(arrays[name], sample[name]) for name in sample)
    (features,) = golden.features(exported.manifest, sample).values()
    assert np.array_equal(arrays["input.bars"], features)
    with torch.inference_mode():
        said = a_model()(torch.from_numpy(features))
    for name in ("return_1", "attention"):
        np.testing.assert_allclose(arrays[OUTPUT + name], said[name].numpy(), rtol=1e-6)


def test_the_reference_is_taken_over_as_it_is(exported: Bundle):
    assert exported.path(REFERENCE).read_bytes() == a_reference()


def test_each_format_says_how_closely_it_reproduces_every_output(exported: Bundle):
    assert [one.kind for one in exported.manifest.artefacts] == ["onnx", "stream"]
    for artefact in exported.manifest.artefacts:
        assert artefact.measured.keys() == {"return_1", "attention"}
        assert max(artefact.measured.values()) <= artefact.tolerance == formats.FORMATS[artefact.kind].tolerance


def test_other_weights_give_another_digest(exported: Bundle, tmp_path: Path):
    other = rewritten(exported, tmp_path / "other", "model.onnx", scaled(next(iter(weights(exported))), 1.0001))
    assert other.digest != exported.digest


def test_exporting_again_gives_the_same_digest_on_any_number_of_threads(exported: Bundle, tmp_path: Path):
    before = torch.get_num_threads()
    torch.set_num_threads(3 - min(before, 2))
    try:
        again = make_bundle(
            tmp_path / "again", a_model(), a_manifest(WINDOW), a_sample(exported.manifest), a_reference()
        )
        assert again.digest == exported.digest
    finally:
        torch.set_num_threads(before)


class Shuffling(SmallLstm):
    """In PyTorch it dithers, which no graph can reproduce: the trace takes the other branch. It is not cut in two."""

    prefix = None

    def forward(self, x_NTF: Tensor) -> dict[str, Tensor]:
        said = super().forward(x_NTF)
        return said if torch.compiler.is_exporting() else said | {"return_1": said["return_1"] * 1.01}


def test_a_graph_that_differs_is_refused_and_what_was_there_stays(exported: Bundle, tmp_path: Path):
    manifest = exported.manifest
    shutil.copytree(exported.folder, tmp_path / "demo")
    with pytest.raises(BundleError, match=r"model\.onnx does not reproduce its golden values: 'return_1' is off by"):
        make_bundle(tmp_path / "demo", Shuffling().eval(), manifest, a_sample(manifest), a_reference())
    assert bundle.read(tmp_path / "demo").digest == exported.digest
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_tolerance_can_be_asked_for_and_is_recorded(tmp_path: Path):
    manifest = a_manifest(WINDOW)
    loose = {"onnx": 0.02}
    made = make_bundle(
        tmp_path / "loose", Shuffling().eval(), manifest, a_sample(manifest), a_reference(), tolerances=loose
    )
    artefact = made.manifest.artefact("onnx")
    assert artefact.tolerance == 0.02
    assert 0.009 < artefact.measured["return_1"] < 0.011


class FrozenBatch(SmallLstm):
    def forward(self, x_NTF: Tensor) -> dict[str, Tensor]:
        return super().forward(x_NTF) | {"return_1": torch.arange(12.0)}


def test_a_batch_that_is_frozen_is_refused(tmp_path: Path):
    manifest = a_manifest(WINDOW)
    with pytest.raises(BundleError, match=r"answers 1 rows with 12 of 'return_1': its batch is frozen"):
        make_bundle(tmp_path / "frozen", FrozenBatch(), manifest, a_sample(manifest), a_reference())


class Undefined(SmallLstm):
    def forward(self, x_NTF: Tensor) -> dict[str, Tensor]:
        said = super().forward(x_NTF)
        return said | {"return_1": said["return_1"] * torch.nan}


def test_a_model_that_says_nan_is_refused(tmp_path: Path):
    with pytest.raises(BundleError, match="says 'return_1' with values that are not finite"):
        make_bundle(tmp_path / "nan", Undefined(), a_manifest(WINDOW), a_sample(a_manifest(WINDOW)), a_reference())


@pytest.mark.parametrize(("rows", "bars"), [(3, 72), (12, 71)])
def test_a_sample_too_small_to_prove_anything_is_refused(tmp_path: Path, rows: int, bars: int):
    manifest = a_manifest(WINDOW)
    sample = a_sample(manifest)
    few = {name: values[:rows] for name, values in sample.items()} | {"bars": sample["bars"][:rows, :bars]}
    with pytest.raises(
        BundleError, match=f"the sample has {rows} windows of {bars} bars, expected are 4 or more of 72"
    ):
        make_bundle(tmp_path / "few", a_model(), manifest, few, a_reference())


def test_an_unknown_format_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="no format is called 'pickle'; there are: onnx"):
        a_bundle(tmp_path / "pickled", formats=("pickle",))


def test_a_folder_that_is_no_bundle_is_never_replaced(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BundleError, match="is not a whole bundle"):
        a_bundle(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


class TwoInputs(nn.Module):
    """The last row of one input and the mean of the other."""

    def forward(self, own_NTF: Tensor, long_NTF: Tensor) -> dict[str, Tensor]:
        weights_NT = torch.softmax(own_NTF[..., 0] * 100, dim=-1)
        return {"return_1": own_NTF[:, -1, 0] + long_NTF.mean(dim=(1, 2)), "attention": weights_NT}


def test_a_model_of_two_inputs_with_other_windows_exports(tmp_path: Path):
    manifest = a_manifest(8)
    (short,) = manifest.inputs
    long = msgspec.structs.replace(
        short, name="long", window=msgspec.structs.replace(short.window, length=20, minimum=20)
    )
    manifest = msgspec.structs.replace(manifest, inputs=(short, long))
    made = make_bundle(tmp_path / "two", TwoInputs().eval(), manifest, a_sample(manifest), a_reference(8))
    inputs = golden.named(INPUT, made.arrays(GOLDEN))
    assert {name: values.shape for name, values in inputs.items()} == {"bars": (12, 8, 3), "long": (12, 20, 3)}
    assert np.array_equal(inputs["long"][:, -8:], inputs["bars"])
