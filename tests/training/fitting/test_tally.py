import numpy as np
import pytest
import torch
from networks import EVERY_KIND, a_network, inputs_of, raw
from runs import a_recipe, some_bars

from training import families
from training.data.panel import panel
from training.data.split import split
from training.fitting import loop
from training.fitting.tally import Tally


def test_accuracy_and_area_are_those_of_all_batches_together():
    model = a_network("hourly_lstm", "linear", EVERY_KIND)
    said = model.raw(*raw(inputs_of("hourly_lstm"), 200))
    came = (torch.rand(200, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    came[5] = torch.nan
    tally = Tally(model)
    for part in (slice(0, 64), slice(64, 200)):
        labels = {output.name: came[part] for output in EVERY_KIND}
        tally.add({name: values[part] for name, values in said.items()}, labels)
    found = tally.measures()
    assert set(found) == {
        "direction_1.accuracy", "direction_1.auc", "probability_4.accuracy", "probability_4.auc"
    }  # fmt: skip
    known = ~came.isnan()
    probability = torch.sigmoid(said["probability_4"][known, 0]).detach().numpy()
    label = came[known].numpy()
    assert found["probability_4.accuracy"] == pytest.approx(((probability > 0.5) == label).mean())
    ahead = np.sign(probability[label == 1][:, None] - probability[label == 0][None])
    assert found["probability_4.auc"] == pytest.approx((ahead.mean() + 1) / 2, abs=0.01)


def test_labels_that_are_all_alike_give_no_measure():
    model = a_network("hourly_lstm", "linear", EVERY_KIND)
    tally = Tally(model)
    tally.add(model.raw(*raw(inputs_of("hourly_lstm"), 8)), {output.name: torch.ones(8) for output in EVERY_KIND})
    assert tally.measures() == {}


def test_each_epoch_tells_them_of_training_and_validation():
    recipe = a_recipe("label.kind=direction", "optimiser.epochs=2")
    parts = split(panel(some_bars(), recipe), recipe)
    of = parts.train.panel
    model = families.build(recipe.model.family, recipe.model.options, of.inputs, of.outputs)
    loop.set_up(model, parts)
    for epoch in loop.fit(model, parts, recipe, lambda *_: None):
        for measures in (epoch.train_measures, epoch.validation_measures):
            assert set(measures) == {"direction_1.accuracy", "direction_1.auc"}
            assert all(0.2 < value < 0.8 for value in measures.values())
