import numpy as np
import pytest
import torch
from networks import a_network, inputs_of, raw

from training.explain import inside
from training.explain.explaining import Explained
from training.explain.inside import Extractor, shape
from training.explain.pictures import heads, style


def test_what_is_extracted_is_what_the_model_tells_of_itself():
    model, x = a_network("cross_attention", "coral"), raw(inputs_of("cross_attention"), 3)
    with Extractor(model) as seen, torch.inference_mode():
        said = model(*x)
    assert set(seen.attention) == {
        "market_layers.0.look",
        "market_layers.1.look",
        "layers.0.own.look",
        "layers.0.cross",
    }
    assert seen.attention["layers.0.cross"].shape == (3, 4, 16, 16)
    torch.testing.assert_close(seen.attention["layers.0.cross"].mean(dim=2), said["cross_attention"][:, 0])
    torch.testing.assert_close(seen.gates["layers.0.gate"], said["gate"][:, 0])
    torch.testing.assert_close(seen.pooling["pool"], said["attention"])


def test_outside_the_extractor_a_model_keeps_nothing():
    model, x = a_network("transformer", "mean"), raw(inputs_of("transformer"), 2)
    with Extractor(model) as seen:
        pass
    model(*x)
    assert seen.attention == {}


@pytest.mark.parametrize(
    ("mean", "entropy", "expected"),
    [
        (np.eye(12), 0.0, "diagonal"),
        (np.tile(np.eye(12)[3], (12, 1)), 0.0, "stripes"),
        (np.full((12, 12), 1 / 12), 1.0, "diffuse"),
        (np.full((12, 12), 1 / 12), 0.5, "mixed"),
    ],
)
def test_a_look_is_called_by_its_shape(mean: np.typing.NDArray[np.float64], entropy: float, expected: str):
    assert shape(mean, entropy, square=True) == expected


def test_a_runs_layers_are_looked_into_and_drawn(market_explained: Explained):
    told = {one.name: one for one in market_explained.report.inside}
    assert told["layers_own_look"].axes == ("layer", "head", "time", "time")
    assert told["layers_cross"].axes == ("layer", "head", "time", "market")
    assert told["market_layers_look"].axes == ("layer", "head", "market", "market")
    cross = told["layers_cross"]
    assert (len(cross.entropy), len(cross.entropy[0]), cross.predictions) == (2, 2, inside.PREDICTIONS)
    # As the model tells itself, only averaged over those who look.
    (seen,) = [look for look in market_explained.predictions.looks if look.attention.name == "cross_attention"]
    mean = market_explained.inside.mean["layers_cross"].mean(axis=2)
    assert mean == pytest.approx(seen.mean, abs=0.02)
    assert sum(cross.shapes.values()) == 4
    with style.styled():
        picture = heads.matrices("layers_cross", cross.axes, market_explained.inside.mean["layers_cross"])
        evolution = heads.evolution(market_explained.report.inside)
    assert "layer 1, head 1" in [axes.get_title(loc="left") for axes in picture.axes]
    legend = [text.get_text() for text in evolution.axes[0].get_legend().get_texts()]
    assert legend == ["market_layers_look", "layers_own_look", "layers_cross"]


def test_a_market_is_told_by_its_own_bars_and_features(market_explained: Explained):
    of = market_explained.predictions
    case = market_explained.report.cases[0]
    (look,) = [one for one in case.looks if one.attention == "cross_attention"]
    assert look.place == 1
    assert {one.name for one in look.features} == {"log_return_1", "realised_volatility_24"}
    last = of.times(case.row, 1)[-1]
    assert int(last) == int(of.samples.opened_at_ms[case.row]) - of.panel.interval.ms
    assert np.array(case.occlusion[1]).shape == (8, 2)
    assert [one.name for one in market_explained.report.inputs] == ["features", "market"]
