"""Transformer, temporal convolutions and the dual tower."""

import pytest
import torch
from networks import a_network, an_input, inputs_of, raw

from core.outputs import Kind, Output
from training import families

ONE = (Output(Kind.RETURN, 1),)


def test_the_transformer_has_about_the_parameters_its_document_counts():
    model = families.build("transformer", {}, (an_input(48, 3),), ONE)
    assert sum(weights.numel() for weights in model.parameters()) == pytest.approx(4_260_000, rel=0.015)


def test_whole_matrices_average_to_what_is_told_otherwise():
    inputs = inputs_of("transformer")
    options = {"d_model": 16, "heads": 4, "layers": 2, "feed_forward": 8}
    mean = families.build("transformer", options, inputs, ONE).eval()
    whole = families.build("transformer", {**options, "matrices": "all"}, inputs, ONE).eval()
    whole.load_state_dict(mean.state_dict())
    (x,) = raw(inputs, 3)
    assert whole(x)["self_attention"].shape == (3, 2, 4, 16, 16)
    torch.testing.assert_close(whole(x)["self_attention"].mean(dim=3), mean(x)["self_attention"])


def test_the_transformer_knows_the_order_of_steps():
    model, (x,) = a_network("transformer", "mean"), raw(inputs_of("transformer"), 4)
    assert (model(x)["return_1"] - model(x.flip(1))["return_1"]).abs().max() > 1e-3


def test_convolutions_never_look_at_later_steps():
    """Shares among the early steps' weights are as they were, whatever the later ones hold."""
    model, (x,) = a_network("tcn", "linear"), raw(inputs_of("tcn"), 4)
    changed = x.clone()
    changed[:, 10:] += 5
    early, late = model(x)["attention"][:, :10], model(changed)["attention"][:, :10]
    torch.testing.assert_close(early / early.sum(-1, keepdim=True), late / late.sum(-1, keepdim=True))


def test_convolutions_reach_as_far_as_they_say():
    """Two blocks of kernel 3 see 13 steps: a change 12 steps back is felt in the newest step, one 13 back is not."""
    model, (x,) = a_network("tcn", "linear"), raw(inputs_of("tcn"), 4)

    def newest(x_NTF: torch.Tensor):
        x_NCT = model.widen(x_NTF).transpose(1, 2)
        for block in model.blocks:
            x_NCT = block(x_NCT)
        return x_NCT[..., -1]

    felt = []
    for back in (12, 13):
        changed = x.clone()
        changed[:, -1 - back] += 5
        felt.append(not torch.equal(newest(x), newest(changed)))
    assert felt == [True, False]


def test_the_dual_tower_sees_the_order_of_the_newest_row_alone():
    model, (x,) = a_network("dual_tower", "linear"), raw(inputs_of("dual_tower"), 4)
    turned = torch.cat([x[:, :-1].flip(1), x[:, -1:]], dim=1)
    torch.testing.assert_close(model(x)["return_1"], model(turned)["return_1"])
    assert (model(x)["return_1"] - model(x.flip(1))["return_1"]).abs().max() > 1e-4
