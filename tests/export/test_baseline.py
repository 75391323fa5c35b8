"""A baseline exported in the place of its network: what LightGBM and the closed form say, served like any model."""

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
import torch
from builders import a_manifest
from bundles import a_reference, a_sample, rewritten, scaled
from networks import EVERY_KIND

from core import golden
from core.bundle import GOLDEN, Bundle, Score
from core.errors import BundleError, UsageError
from core.outputs import Kind, Output
from daemon.engines.onnxruntime import OnnxRuntime
from daemon.engines.proof import prove
from export.baseline import NAMES, described, model_of, refuse_other
from export.bundle import make_bundle
from training.data.summary import numbers
from training.judging import boosting, ridge
from training.judging.baselines import BASELINES, Learned
from training.judging.scores import EVENTS

WINDOW = 8
MANIFEST = a_manifest(WINDOW, outputs=EVERY_KIND)
SCORES = tuple(Score("return_1", "mse", name, value, 0.0, 1.0) for name, value in (("model", 0.5), ("boosting", 0.4)))


@pytest.fixture(scope="module")
def inputs() -> dict[str, np.ndarray]:
    """Windows of features of made-up bars."""
    return golden.features(MANIFEST, a_sample(MANIFEST, rows=300))


def outputs_of(name: str) -> tuple[Output, ...]:
    return tuple(one for one in EVERY_KIND if one.kind in BASELINES[name].kinds)


def learned(name: str, inputs: dict[str, np.ndarray]) -> Learned:
    """What a baseline learns of noise."""
    x_NP = numbers(tuple(map(torch.from_numpy, inputs.values()))).double().numpy()
    chance = np.random.default_rng(5)
    told: Learned = {}
    for one in outputs_of(name):
        drawn = chance.normal(size=len(x_NP)) + x_NP[:, 0] / x_NP[:, 0].std()
        classes = np.digitize(drawn, [-1.0, 0.0, 1.0])
        label = classes if one.kind is Kind.ORDINAL else (drawn > 0).astype(float) if one.kind in EVENTS else drawn
        own: Learned = {}
        if name == "linear":
            each = (
                (label[:, None] == np.arange(one.width)).astype(float) if one.kind is Kind.ORDINAL else label[:, None]
            )
            own = ridge.learn(x_NP, each)
        elif one.kind is Kind.QUANTILES:
            levels = enumerate(one.levels)
            own = {f"trees_{k}": boosting.learn(x_NP, label, "quantile", alpha=level) for k, level in levels}
        elif one.kind is Kind.ORDINAL:
            own = {"trees": boosting.learn(x_NP, label, "multiclass", num_class=one.width)}
        else:
            own = {"trees": boosting.learn(x_NP, label, "binary" if one.kind in EVENTS else "regression")}
        told |= {f"{name}.{one.name}.{key}": value for key, value in own.items()}
    return told


def exported(name: str, inputs: dict[str, np.ndarray], folder: Path) -> Bundle:
    manifest = described(msgspec.structs.replace(MANIFEST, outputs=outputs_of(name), scores=SCORES), name)
    return make_bundle(
        folder,
        model_of(name, learned(name, inputs), outputs_of(name)),
        manifest,
        a_sample(manifest),
        a_reference(WINDOW),
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_output_is_what_the_baseline_itself_says(name: str, inputs: dict[str, np.ndarray]):
    told = learned(name, inputs)
    model = model_of(name, told, outputs_of(name))
    refuse_other(model, name, told, inputs)
    said = model(*map(torch.from_numpy, inputs.values()))
    assert said.keys() == {one.name for one in outputs_of(name)}
    assert all(values.std(dim=0).max() > 0 for values in said.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_says_something_else_than_its_baseline_is_refused(name: str, inputs: dict[str, np.ndarray]):
    told = learned(name, inputs)
    model = model_of(name, told, outputs_of(name))
    buffer = next(one for key, one in model.named_buffers() if key.endswith("slope" if name == "linear" else "value"))
    buffer *= 1.01
    with pytest.raises(BundleError, match=f"the baseline {name} does not reproduce its golden values"):
        refuse_other(model, name, told, inputs)


def test_a_baseline_is_exported_proven_and_refused_when_a_weight_changes(inputs: dict[str, np.ndarray], tmp_path: Path):
    made = exported("linear", inputs, tmp_path / "linear")
    said = made.manifest
    assert (said.name, said.family, said.attentions) == ("demo_linear", "linear", ())
    assert said.not_streaming.startswith("it reads a window in a few numbers")
    assert prove(OnnxRuntime(made), made).same_bits_alone
    assert set(golden.named(golden.OUTPUT, made.arrays(GOLDEN))) == {one.name for one in outputs_of("linear")}
    wrong = rewritten(made, tmp_path / "wrong", "model.onnx", scaled("model.foretell.return_1.slope", 1.01))
    with pytest.raises(BundleError, match="does not reproduce its golden values"):
        prove(OnnxRuntime(wrong), wrong)


def test_boosted_trees_are_exported_and_their_scores_are_the_models(inputs: dict[str, np.ndarray], tmp_path: Path):
    made = exported("boosting", inputs, tmp_path / "boosting")
    assert [(one.predictor, one.value) for one in made.manifest.scores] == [("model", 0.4)]
    assert prove(OnnxRuntime(made), made).same_bits_alone
    stored = onnx.load_model(made.path("model.onnx")).graph.initializer
    numbers_of_trees = [one.name for one in stored if one.data_type == onnx.TensorProto.DOUBLE]
    leaves = numbers_of_trees[1::2]  # each forest's thresholds come before its leaves
    assert len(leaves) > len(outputs_of("boosting")) / 2
    for name in leaves:
        wrong = rewritten(made, tmp_path / name, "model.onnx", scaled(name, 1.01))
        with pytest.raises(BundleError, match="does not reproduce its golden values"):
            prove(OnnxRuntime(wrong), wrong)


def test_what_a_baseline_does_not_foretell_cannot_be_exported():
    with pytest.raises(UsageError, match=r"the baseline linear does not foretell .*quantiles_4"):
        model_of("linear", {}, EVERY_KIND)
    with pytest.raises(UsageError, match="no baseline 'zero' can be exported; there are: linear, boosting"):
        model_of("zero", {}, EVERY_KIND)
