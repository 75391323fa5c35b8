"""Two graphs, one for the idle hour and one for the close, give what the whole graph gives."""

from collections.abc import Callable, Mapping

import numpy as np
import onnxruntime
import pytest
import torch
from builders import a_manifest
from bundles import WINDOW, SmallLstm, a_sample, float_weights, scaled
from sources import a_source as family_source
from torch import Tensor, nn

from core import golden
from core.bundle import GOLDEN, Bundle, Manifest
from core.errors import BundleError
from core.golden import INPUT
from export import golden as golden_of_model
from export import to_stream
from export.prove import prove
from export.source import Source

SHORT = 16
"""A window that is traced faster."""


def a_source(kind: Callable[[], nn.Module], manifest: Manifest | None = None) -> Source:
    manifest = manifest or a_manifest(SHORT)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = kind()
    return Source(model.eval(), manifest, golden_of_model.make(model, manifest, a_sample(manifest)))


def test_a_model_that_can_be_cut_is_exported_in_two_parts_with_the_same_bits(exported: Bundle):
    manifest = exported.manifest
    stream = manifest.artefact("stream")
    assert stream.files == ("model.prefix.onnx", "model.step.onnx")
    assert stream.same_bits
    assert stream.measured == manifest.artefact("onnx").measured
    assert manifest.not_streaming == ""


def test_the_prefix_never_sees_the_newest_row(exported: Bundle):
    x_NTF = golden.named(INPUT, exported.arrays(GOLDEN))["bars"]
    prefix = onnxruntime.InferenceSession(exported.path("model.prefix.onnx").read_bytes())
    (taken,) = prefix.get_inputs()
    assert taken.shape[1:] == [WINDOW - 1, 3]
    names = [one.name for one in prefix.get_outputs()]
    states = dict(zip(names, prefix.run(names, {"bars": x_NTF[:, :-1]}), strict=True))
    assert states["hidden"].shape == (12, WINDOW - 1, 16)
    step = onnxruntime.InferenceSession(exported.path("model.step.onnx").read_bytes())
    (said,) = step.run(["return_1"], states | {"bars": x_NTF[:, -1:] * np.float32(2)})
    assert not np.array_equal(said, exported.arrays(GOLDEN)["output.return_1"])


class Whole(nn.Module):
    """A model that is not cut."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = SmallLstm()

    def forward(self, x_NTF: Tensor) -> dict[str, Tensor]:
        return self.inner.forward(x_NTF)


class Backwards(Whole):
    not_causal = "it reads its window backwards too"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Whole, "the family hourly_lstm has no prefix() and step()"),
        (Backwards, "it reads its window backwards too"),
        (SmallLstm, ""),
    ],
)
def test_a_model_that_cannot_be_cut_says_why(model: Callable[[], nn.Module], reason: str):
    assert to_stream.why_not(a_source(model)) == reason


def test_streaming_graphs_asked_for_and_impossible_are_refused():
    with pytest.raises(BundleError, match=r"no streaming graphs: it reads its window backwards too\. try: --to onnx"):
        to_stream.convert(a_source(Backwards))


def test_where_windows_expand_states_are_carried_on_with_the_same_bits():
    source = family_source("hybrid_lstm", variant="last")
    assert to_stream.why_not_carried(source) == ""
    files = to_stream.convert(source)
    stream, _ = prove("stream", files, source, 1e-5)
    assert stream.files == ("model.prefix.onnx", "model.step.onnx", "model.carry.onnx")
    assert stream.same_bits
    assert max(stream.measured.values()) < 1e-6
    for name in float_weights(files[2]):
        with pytest.raises(BundleError, match=r"model\.carry\.onnx does not reproduce its golden values"):
            to_stream.check((*files[:2], scaled(name, 1.01)(files[2])), source, 1e-5)


@pytest.mark.parametrize(
    ("family", "variant", "cut", "carried"),
    [
        ("hybrid_lstm", "last", "", ""),
        ("hybrid_lstm", "all", "every step of its window asks where to look, and looks at the newest too", "every "),
        ("hourly_lstm", "linear", "", "its window rolls: with every bar another row is the first"),
        ("tcn", "linear", "its convolutions keep no state between bars", "its convolutions keep no state"),
    ],
)
def test_a_family_says_why_it_cannot_be_cut_and_why_nothing_is_carried_on(
    family: str, variant: str, cut: str, carried: str
):
    source = family_source(family, variant=variant)
    for reason, expected in ((to_stream.why_not(source), cut), (to_stream.why_not_carried(source), carried)):
        assert reason.startswith(expected) if expected else reason == ""


class Forgetful(SmallLstm):
    """What came before leaves no trace in its newest step."""

    def step(self, states: Mapping[str, Tensor], x_N1F: Tensor) -> dict[str, Tensor]:
        return super().step({**states, "cell": states["cell"] * 0}, x_N1F)


def test_two_parts_that_give_something_else_are_refused():
    source = a_source(Forgetful)
    with pytest.raises(BundleError, match=r"model\.prefix\.onnx and model\.step\.onnx does not reproduce"):
        prove("stream", to_stream.convert(source), source, 1e-5)


class Rounding(SmallLstm):
    """The same but for its last bits."""

    def step(self, states: Mapping[str, Tensor], x_N1F: Tensor) -> dict[str, Tensor]:
        said = super().step(states, x_N1F)
        return said | {"attention": said["attention"] / said["attention"].sum(dim=1, keepdim=True)}


def test_two_parts_in_other_bits_are_accepted_and_said():
    source = a_source(Rounding)
    stream, kept = prove("stream", to_stream.convert(source), source, 1e-5)
    assert not stream.same_bits
    assert max(stream.measured.values()) < 1e-5
    assert kept == {}


def test_a_wide_model_keeps_its_bits_too():
    """The size that is served: 128 hidden units, in which other kernels run."""
    source = a_source(lambda: SmallLstm(128))
    assert to_stream.same_bits(to_stream.convert(source), source)
