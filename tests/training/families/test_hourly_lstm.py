import pytest
import torch
from networks import OUTPUTS, a_network, an_input, inputs_of, raw

from training import families


def test_it_never_looks_at_later_steps():
    """The scores before a softmax are causal: the order of two early steps' weights ignores what comes later."""
    model = a_network("hourly_lstm", "linear")
    (x,) = raw(inputs_of("hourly_lstm"), 4)
    changed = x.clone()
    changed[:, 10:] += 5
    early, late = model(x)["attention"][:, :10], model(changed)["attention"][:, :10]
    torch.testing.assert_close(early / early.sum(-1, keepdim=True), late / late.sum(-1, keepdim=True))


def test_that_of_the_document_has_its_size():
    model = families.build("hourly_lstm", {"hidden": 128}, (an_input(48, 3),), OUTPUTS[:1])
    # 4 gates x (3 + 128 inputs + 2 biases) x 128, a score of 129, a head of 129.
    assert sum(weights.numel() for weights in model.parameters()) == 4 * (3 + 128 + 2) * 128 + 129 + 129


def test_a_tanh_score_cannot_look_at_one_step_alone():
    model = families.build("hourly_lstm", {"score": "tanh", "hidden": 4}, (an_input(48, 3),), OUTPUTS)
    assert model.attentions[0].bound == pytest.approx(0.136, abs=5e-4)
