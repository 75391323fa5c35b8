import numpy as np
import pytest
import torch
from runs import a_recipe, some_bars

from core.outputs import Output
from training import families
from training.data.dataset import Samples
from training.data.panel import panel
from training.fitting.losses import Objective
from training.network.model import Model


def objective(*changes: str):
    """The loss of one batch of raw numbers, and the samples it was made for."""
    recipe = a_recipe(*changes)
    made = panel(some_bars(), recipe)
    samples = Samples(made, made.ends_N)
    model = families.build("cross_attention" if made.market else "hourly_lstm", {}, made.inputs, made.outputs)
    return Objective(model, recipe, samples), model, samples


def loss_of(found: Objective, output: Output, raw: list[list[float]], labels: list[float], **others: list[list[float]]):
    volatility = torch.ones(len(labels))
    told = {output.name: torch.tensor(raw), **{name: torch.tensor(one) for name, one in others.items()}}
    asked = {name: torch.tensor(labels) for name in told}
    return found(told, asked, volatility, torch.arange(len(labels)))[1][output.name].item()


def only(model: Model):
    (output,) = model.outputs
    return output


def test_a_return_is_compared_in_deviations_of_the_training_labels():
    found, model, _ = objective("label.kind=return")
    model.head(only(model)).scale.fill_(0.01)
    assert loss_of(found, only(model), [[1.0], [0.0]], [0.03, 0.0]) == pytest.approx((4 + 0) / 2)


def test_labels_that_are_not_known_count_for_nothing():
    found, model, _ = objective("label.kind=direction")
    certain = loss_of(found, only(model), [[0.0, 2.0]], [1.0])
    assert loss_of(found, only(model), [[0.0, 2.0], [9.0, 0.0]], [1.0, np.nan]) == pytest.approx(certain)
    assert loss_of(found, only(model), [[0.0, 2.0]], [np.nan]) == 0


def test_balanced_classes_count_the_same_in_total():
    """Said nothing, every sample costs log 2; weighted, the two classes of the training part cost the same."""
    found, model, samples = objective("label.kind=winner", "label.threshold=0.02", "loss.classes=balanced")
    output = only(model)
    share = samples.target(output).mean()
    rare, common = (loss_of(found, output, [[0.0]], [label]) for label in (1.0, 0.0))
    assert 0.01 < share < 0.3
    assert rare * share == pytest.approx(common * (1 - share), rel=1e-4)


@pytest.mark.parametrize(("how", "weights"), [("even", (1, 1, 1)), ("volatile", (1, 1, 2)), ("calm", (2, 1, 0.5))])
def test_samples_are_weighed_by_their_volatility(how: str, weights: tuple[float, ...]):
    found, model, samples = objective(f"loss.samples={how}")
    name, median = only(model).name, float(np.median(samples.volatility))
    volatility = torch.tensor([median / 2, median, median * 2])
    raw, labels = {name: torch.tensor([[1.0], [2.0], [3.0]])}, {name: torch.zeros(3)}
    expected = np.average([1, 4, 9], weights=weights)
    assert found(raw, labels, volatility, torch.arange(3))[0].item() == pytest.approx(expected, rel=1e-4)


def test_samples_are_weighed_by_how_much_of_their_label_is_their_own():
    """Two windows in a row share three of the four bars of their labels; the third shares none."""
    recipe = a_recipe("loss.samples=unique", "label.horizons=[4]")
    made = panel(some_bars(), recipe)
    samples = Samples(made, made.ends_N[[0, 1, 100]])
    model = families.build("hourly_lstm", {}, made.inputs, made.outputs)
    raw, labels = {"return_4": torch.tensor([[1.0], [2.0], [3.0]])}, {"return_4": torch.zeros(3)}
    found = Objective(model, recipe, samples)(raw, labels, torch.ones(3), torch.from_numpy(samples.ends_N))[0]
    assert found.item() == pytest.approx(np.average([1, 4, 9], weights=[2.5 / 4, 2.5 / 4, 1]), rel=1e-5)


def test_a_quantile_costs_more_on_the_side_that_it_should_rarely_be_on():
    found, model, _ = objective("label.kind=quantiles", "label.levels=[0.1]")
    below, above = (loss_of(found, only(model), [[0.0]], [label]) for label in (-1.0, 1.0))
    assert below == pytest.approx(9 * above)


def test_a_deviation_is_that_around_the_return_of_the_same_horizon():
    """Cheapest where it is the distance between the label and the return that the model says."""
    found, model, _ = objective('label.kind=["return", "deviation"]')
    output = model.outputs[1]
    costs = {
        raw: loss_of(found, output, [[raw]], [3.0], return_1=[[1.0]]) for raw in np.linspace(0.5, 4.0, 36).tolist()
    }
    best = min(costs, key=lambda raw: costs[raw])
    assert np.log1p(np.exp(best)) == pytest.approx(2.0, abs=0.1)


def test_coral_pays_for_every_threshold_on_the_wrong_side():
    recipe = a_recipe("label.kind=buckets", "data.market=S1", "data.market_features=btc_3")
    made = panel(some_bars(), recipe)
    options = {"d_model": 8, "heads": 2, "layers": 1, "feed_forward": 8, "market_layers": 1, "ordinal": "coral"}
    model = families.build("cross_attention", options, made.inputs, made.outputs)
    found = Objective(model, recipe, Samples(made, made.ends_N))
    costs = [loss_of(found, only(model), [[5.0, 5.0, -5.0]], [label]) for label in (0.0, 1.0, 2.0, 3.0)]
    # It names class 2: right, one off on either side, two off.
    assert costs[2] < 0.1
    assert costs[1] == pytest.approx(costs[3])
    assert costs[0] == pytest.approx(2 * costs[1], rel=0.02)
