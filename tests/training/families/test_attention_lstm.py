import pytest
import torch
from networks import a_network, an_input, inputs_of, raw

from core.errors import ConfigError
from core.outputs import Kind, Output
from training import families

ONE = (Output(Kind.PROBABILITY, 5),)


def documents(**options: object):
    return families.build("attention_lstm", options, (an_input(30, 20),), ONE)


def learned(layer: torch.nn.Module) -> int:
    return sum(weights.numel() for weights in layer.parameters())


def test_that_of_the_document_has_its_layers_and_their_sizes():
    """PyTorch's LSTM has a second bias, and the formula's attention one bias: 32 weights and it."""
    model = documents()
    sizes = {name: learned(layer) for name, layer in model.named_children() if learned(layer)}
    assert sizes == {
        "first": 22_016, "second": 12_544, "attend": 33, "wide": 1_056, "narrow": 528, "heads": 17
    }  # fmt: skip
    assert learned(model) == 36_194


def test_its_score_cannot_let_a_day_have_more_than_a_fifth():
    assert documents().attentions[0].bound == pytest.approx(0.203, abs=5e-4)
    assert documents(score="bahdanau").attentions[0].bound == 1.0


def test_several_heads_each_look_by_themselves():
    model = a_network("attention_lstm", "heads")
    assert model.attentions[0].axes == ("head", "time")
    seen = model(*raw(inputs_of("attention_lstm"), 6))["attention"]
    assert (seen[:, 0] - seen[:, 1]).abs().max() > 1e-3


def test_one_head_of_several_sees_only_its_own_units():
    """Two heads over 8 units: half of the pooled context comes from each head's weights."""
    model = a_network("attention_lstm", "heads")
    states = torch.randn(3, 16, 8)
    context, weights = model.attend(states)
    for head, units in ((0, slice(0, 4)), (1, slice(4, 8))):
        torch.testing.assert_close(context[:, units], (weights[:, head, :, None] * states[..., units]).sum(dim=1))


def test_heads_that_do_not_share_the_units_evenly_are_refused():
    with pytest.raises(ConfigError, match="32 hidden units are not shared evenly by 5 heads"):
        documents(heads=5)
