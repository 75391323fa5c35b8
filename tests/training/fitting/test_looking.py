import numpy as np
import pytest
import torch
from runs import a_recipe, some_bars

from core.barfile import BarFile
from training import families
from training.data.dataset import Samples
from training.data.panel import panel
from training.data.split import split
from training.fitting import loop
from training.fitting.looking import Looking
from training.judging.predicting import predict
from training.recipe import Loss


def bars_with_bursts():
    """Random walks in which every 40th bar trades twenty times as much."""
    file = some_bars(symbols=2, bars=900)
    for part in file.symbols.values():
        part.rows[::40, 4] *= 20
    return file


def attention_after(file: BarFile, *changes: str):
    """The mean normalised entropy on the test part, and the weight on bursts where there are some."""
    recipe = a_recipe("optimiser.epochs=6", "optimiser.learning_rate=0.01", "stopping.min_delta=0.0", *changes)
    parts = split(panel(file, recipe), recipe)
    torch.manual_seed(0)
    model = families.build(
        "hourly_lstm", {"hidden": 8, "score": "bahdanau"}, parts.train.panel.inputs, parts.train.panel.outputs
    )
    loop.set_up(model, parts)
    # The last epoch's weights are kept: what attention is asked for does not lower the validation loss.
    list(loop.fit(model, parts, recipe, lambda *_: None))
    weights = predict(model, parts.test)["attention"]
    entropy = -(weights * np.log(weights)).sum(axis=1).mean() / np.log(weights.shape[1])
    events = parts.test.panel.event_R[parts.test.ends_N[:, None] + np.arange(-7, 1)]
    return entropy, (weights * events).sum(axis=1)[events.any(axis=1)].mean()


def asking(how: Loss):
    made = panel(some_bars(), a_recipe())
    return Looking(families.build("hourly_lstm", {"hidden": 4}, made.inputs, made.outputs), how)


def test_nothing_is_asked_unless_the_recipe_does():
    assert not asking(Loss()).asked
    assert asking(Loss(entropy=0.1)).asked


@pytest.mark.parametrize(("weights", "expected"), [([0.25] * 4, 1.0), ([1.0, 0.0, 0.0, 0.0], 0.0)])
def test_entropy_is_one_of_an_even_look_and_zero_of_one_step(weights: list[float], expected: float):
    no_events = torch.zeros(1, 4, dtype=torch.bool)
    found = asking(Loss(entropy=2.0))({"attention": torch.tensor([weights])}, no_events)
    assert found.item() == pytest.approx(2 * expected, abs=1e-6)


def test_a_window_without_events_asks_nothing_and_one_with_asks_for_them():
    weights = torch.tensor([[0.25] * 4, [0.1, 0.2, 0.3, 0.4]])
    events = torch.tensor([[False] * 4, [False, True, True, False]])
    found = asking(Loss(supervision=1.0))({"attention": weights}, events)
    assert found.item() == pytest.approx(-np.log(0.5))


def test_attention_asked_to_be_spikier_is_and_asked_towards_bursts_goes_there():
    file = bars_with_bursts()
    (even, on_bursts), (spiky, _), (_, drawn) = (
        attention_after(file, *changes) for changes in ((), ("loss.entropy=1.0",), ("loss.supervision=1.0",))
    )
    assert spiky < even - 0.05
    assert drawn > on_bursts + 0.2


def test_events_of_a_window_are_those_of_its_own_bars():
    made = panel(bars_with_bursts(), a_recipe())
    samples = Samples(made, made.ends_N[[5, 400]])
    found = loop.Windows(made, torch.device("cpu")).events(torch.from_numpy(samples.ends_N)).numpy()
    expected = made.event_R[samples.ends_N[:, None] + np.arange(-7, 1)]
    np.testing.assert_array_equal(found, expected)
