import pytest
import torch
from networks import OUTPUTS, a_network, an_input, inputs_of, raw

from core.errors import ConfigError
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


def test_at_several_scales_each_attention_keeps_to_its_newest_steps():
    model = a_network("hourly_lstm", "scales")
    weights = model(*raw(inputs_of("hourly_lstm"), 5))["attention"]
    assert model.attentions[0].axes == ("head", "time")
    assert [int((weights[:, head] > 0).any(0).sum()) for head in range(3)] == [3, 8, 16]
    assert all((weights[:, head, -scale:] > 0).all() for head, scale in enumerate((3, 8, 16)))


def test_a_scale_wider_than_the_window_is_refused():
    with pytest.raises(ConfigError, match=r"scales of \[6, 50\] steps, the window has 48"):
        families.build("hourly_lstm", {"scales": [6, 50]}, (an_input(48, 3),), OUTPUTS)
