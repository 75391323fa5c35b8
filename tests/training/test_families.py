"""What every family must do, whichever is added."""

import numpy as np
import pytest
import torch

from core.errors import ConfigError
from core.outputs import Kind, Output
from training import families
from training.families import FAMILIES
from training.model import Model

LENGTH, FEATURES = 16, 3
OUTPUTS = (Output(Kind.RETURN, 1), Output(Kind.RETURN, 4))
VARIANTS = [("hourly_lstm", {"hidden": 12, "score": score}) for score in ("linear", "tanh", "bahdanau")]


@pytest.fixture(params=VARIANTS, ids=lambda variant: f"{variant[0]}-{variant[1]['score']}")
def model(request: pytest.FixtureRequest):
    torch.manual_seed(0)
    name, options = request.param
    return families.build(name, options, FEATURES, LENGTH, OUTPUTS).eval()


def raw(count: int) -> torch.Tensor:
    return torch.randn((count, LENGTH, FEATURES), generator=torch.Generator().manual_seed(1))


def test_every_family_has_a_variant_here():
    assert {name for name, _ in VARIANTS} == set(FAMILIES)


def test_it_says_each_of_its_outputs_and_attentions_and_nothing_else(model: Model):
    said = model(raw(5))
    assert set(said) == {output.name for output in model.outputs} | {seen.name for seen in model.attentions}
    assert all(said[output.name].shape == (5,) for output in model.outputs)
    assert all(said[seen.name].shape[-1] == LENGTH for seen in model.attentions)
    assert all(said[seen.name].dim() == 1 + len(seen.axes) for seen in model.attentions)


def test_attention_is_not_negative_sums_to_one_and_keeps_its_bound(model: Model):
    said = model(raw(64) * 100)
    for seen in model.attentions:
        assert (said[seen.name] >= 0).all()
        torch.testing.assert_close(said[seen.name].sum(-1), torch.ones(64))
        assert said[seen.name].max() <= seen.bound + 1e-6


def test_a_row_does_not_depend_on_the_rows_beside_it(model: Model):
    together, alone = model(raw(8)), model(raw(8)[2:4])
    for name, values in alone.items():
        torch.testing.assert_close(together[name][2:4], values, rtol=0, atol=1e-6)


def test_gradients_reach_every_weight(model: Model):
    said = model.train()(raw(16))
    sum(said[output.name].square().sum() for output in model.outputs).backward()
    assert all(weights.grad is not None and weights.grad.abs().sum() > 0 for weights in model.parameters())


def test_it_learns_sixty_four_samples_by_heart(model: Model):
    x = raw(64)
    wanted = torch.randn((64, len(OUTPUTS)), generator=torch.Generator().manual_seed(2))
    optimiser = torch.optim.Adam(model.train().parameters(), lr=0.02)
    for _ in range(400):
        optimiser.zero_grad()
        said = torch.stack([model(x)[output.name] for output in OUTPUTS], dim=1)
        loss = torch.nn.functional.mse_loss(said, wanted)
        loss.backward()
        optimiser.step()
        if loss < 0.05:
            break
    assert loss < 0.05


def test_the_hourly_lstm_never_looks_at_later_steps():
    """The scores before a softmax are causal: the order of two early steps' weights ignores what comes later."""
    model = families.build("hourly_lstm", {"hidden": 12}, FEATURES, LENGTH, OUTPUTS).eval()
    changed = raw(4)
    changed[:, 10:] += 5
    early, late = model(raw(4))["attention"][:, :10], model(changed)["attention"][:, :10]
    torch.testing.assert_close(early / early.sum(-1, keepdim=True), late / late.sum(-1, keepdim=True))


def test_the_hourly_lstm_of_the_document_has_its_size():
    model = families.build("hourly_lstm", {"hidden": 128}, 3, 48, OUTPUTS[:1])
    # 4 gates x (3 + 128 inputs + 2 biases) x 128, a score of 129, a head of 129.
    assert sum(weights.numel() for weights in model.parameters()) == 4 * (3 + 128 + 2) * 128 + 129 + 129


def test_a_tanh_score_cannot_look_at_one_step_alone():
    model = families.build("hourly_lstm", {"score": "tanh", "hidden": 4}, FEATURES, 48, OUTPUTS)
    assert model.attentions[0].bound == pytest.approx(0.136, abs=5e-4)


def test_an_unknown_family_is_refused_and_the_nearest_named():
    with pytest.raises(ConfigError, match="try: hourly_lstm"):
        families.build("hourly_lst", {}, 3, 8, OUTPUTS)


def test_an_unknown_option_is_refused_and_the_nearest_named():
    with pytest.raises(ConfigError, match=r"model\.options of hourly_lstm: hiden is not a known key\. try: hidden"):
        families.build("hourly_lstm", {"hiden": 3}, 3, 8, OUTPUTS)


def test_building_twice_from_one_seed_gives_the_same_weights():
    states = []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(families.build("hourly_lstm", {"hidden": 4}, 3, 8, OUTPUTS).state_dict())
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])
