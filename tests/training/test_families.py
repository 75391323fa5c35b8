"""What every family must do, whichever is added."""

import numpy as np
import pytest
import torch
from networks import EVERY_KIND, LENGTH, OUTPUTS, SMALL, VARIANTS, a_network, an_input, inputs_of, raw

from core.errors import ConfigError
from core.outputs import Kind
from training import families
from training.families import FAMILIES
from training.network.layers import Pooling
from training.network.model import Model

BOTH = pytest.mark.parametrize(("family", "variant"), VARIANTS, ids=str)


def some(family: str, count: int, seed: int = 1) -> tuple[torch.Tensor, ...]:
    return raw(inputs_of(family), count, seed)


def weights_of(model: Model):
    return [seen for seen in model.attentions if seen.axes[-1] != "gate"]


def test_every_family_has_a_variant_here():
    assert set(SMALL) == set(FAMILIES)


@BOTH
def test_it_says_each_of_its_outputs_and_attentions_and_nothing_else(family: str, variant: str):
    model = a_network(family, variant, EVERY_KIND)
    said = model(*some(family, 5))
    assert set(said) == {output.name for output in model.outputs} | {seen.name for seen in model.attentions}
    for output in model.outputs:
        assert said[output.name].shape == ((5,) if output.width == 1 else (5, output.width))
    for seen in model.attentions:
        assert said[seen.name].dim() == 1 + len(seen.axes)
    for seen in weights_of(model):
        assert said[seen.name].shape[-1] == LENGTH


@BOTH
def test_outputs_keep_to_what_their_kind_allows(family: str, variant: str):
    said = a_network(family, variant, EVERY_KIND)(*(x * 50 for x in some(family, 64)))
    for output in EVERY_KIND:
        values = said[output.name]
        if output.kind in {Kind.DIRECTION, Kind.PROBABILITY, Kind.ORDINAL}:
            assert ((values >= 0) & (values <= 1)).all()
        if output.kind is Kind.TREND:
            assert (values.abs() <= 1).all()
        if output.kind is Kind.DEVIATION:
            assert (values > 0).all()
        if output.kind is Kind.QUANTILES:
            assert (values.diff(dim=-1) >= 0).all()
        if output.kind is Kind.ORDINAL:
            torch.testing.assert_close(values.sum(-1), torch.ones(64))


@BOTH
def test_attention_is_not_negative_sums_to_one_and_keeps_its_bound(family: str, variant: str):
    model = a_network(family, variant)
    said = model(*(x * 100 for x in some(family, 64)))
    for seen in weights_of(model):
        weights = said[seen.name]
        assert (weights >= 0).all()
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
        assert weights.max() <= seen.bound + 1e-6


@BOTH
def test_a_row_does_not_depend_on_the_rows_beside_it(family: str, variant: str):
    model, x = a_network(family, variant), some(family, 8)
    together, alone = model(*x), model(*(one[2:4] for one in x))
    for name, values in alone.items():
        torch.testing.assert_close(together[name][2:4], values, rtol=0, atol=1e-6)


@BOTH
def test_gradients_reach_every_weight(family: str, variant: str):
    model = a_network(family, variant, EVERY_KIND).train()
    said = model.raw(*some(family, 16))
    sum(said[output.name].square().sum() for output in model.outputs).backward()
    # The b of a score w.h + b moves the scores of all steps alike, which a softmax does not see.
    unseen = {
        f"{name}.score.0.bias"
        for name, one in model.named_modules()
        if isinstance(one, Pooling) and len(one.score) == 1
    }
    dry = [name for name, one in model.named_parameters() if one.grad is None or not one.grad.abs().sum() > 0]
    assert set(dry) <= unseen


@BOTH
def test_it_learns_sixty_four_samples_by_heart(family: str, variant: str):
    model, x = a_network(family, variant).train(), some(family, 64)
    wanted = torch.randn((64, len(OUTPUTS)), generator=torch.Generator().manual_seed(2))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(600):
        optimiser.zero_grad()
        said = model(*x)
        loss = torch.nn.functional.mse_loss(torch.stack([said[output.name] for output in OUTPUTS], dim=1), wanted)
        loss.backward()
        optimiser.step()
        if loss < 0.05:
            break
    assert loss < 0.05


@BOTH
def test_building_twice_from_one_seed_gives_the_same_weights(family: str, variant: str):
    first, second = (a_network(family, variant, seed=5).state_dict() for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_an_unknown_family_is_refused_and_the_nearest_named():
    with pytest.raises(ConfigError, match="try: hourly_lstm"):
        families.build("hourly_lst", {}, (an_input(8, 3),), OUTPUTS)


def test_an_unknown_option_is_refused_and_the_nearest_named():
    with pytest.raises(ConfigError, match=r"model\.options of hourly_lstm: hiden is not a known key\. try: hidden"):
        families.build("hourly_lstm", {"hiden": 3}, (an_input(8, 3),), OUTPUTS)


def test_a_market_that_a_family_does_not_read_is_refused():
    inputs = (an_input(8, 3), an_input(8, 2, "market"))
    with pytest.raises(ConfigError, match="hourly_lstm reads the symbol alone, the recipe gives it 2 inputs"):
        families.build("hourly_lstm", {}, inputs, OUTPUTS)


def test_windows_that_lack_rows_are_refused_where_a_family_needs_them_whole():
    with pytest.raises(ConfigError, match="hourly_lstm reads whole windows"):
        families.build("hourly_lstm", {}, (an_input(8, 3, kind="expanding"),), OUTPUTS)


@pytest.mark.parametrize(
    ("family", "variant"), [one for one in VARIANTS if hasattr(FAMILIES[one[0]].build, "prefix")], ids=str
)
def test_a_prefix_and_a_step_say_what_the_whole_window_says(family: str, variant: str):
    model, x = a_network(family, variant, EVERY_KIND), some(family, 6)
    stepped = model.step(model.prefix(*(one[:, :-1] for one in x)), *(one[:, -1:] for one in x))
    for name, values in model(*x).items():
        torch.testing.assert_close(stepped[name], values, rtol=0, atol=1e-6)
