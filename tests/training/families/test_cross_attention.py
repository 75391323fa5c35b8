import torch
from networks import OUTPUTS, a_network, an_input, inputs_of, raw

from core.outputs import Kind, Output
from training import families

ONE = (Output(Kind.DIRECTION, 3),)


def documents(**options: object):
    return families.build("cross_attention", options, (an_input(60, 41), an_input(60, 11, "market")), ONE)


def learned(layer: torch.nn.Module) -> int:
    return sum(weights.numel() for weights in layer.parameters())


def test_that_of_the_document_has_its_layers_and_their_sizes():
    look, think, norm = 4 * 128 * 128 + 3 * 128, 2 * 128 * 512 + 512 + 128, 2 * 128
    encoder = look + think + 2 * norm
    model = documents()
    sizes = {name: learned(layer) for name, layer in model.named_children() if learned(layer)}
    assert sizes == {
        "symbol": 42 * 128,
        "market": 12 * 128,
        "market_layers": 2 * encoder,
        "layers": 4 * (encoder + look + 2 * norm + 2 * 128 * 128 + 128),
        "norm": norm,
        "pool": 129,
        "heads": 2 * 128 + 2,
    }


def test_it_shows_its_pooling_each_heads_market_and_its_gates():
    said = documents().eval()(torch.randn(3, 60, 41), torch.randn(3, 60, 11))
    assert said["attention"].shape == (3, 60)
    assert said["cross_attention"].shape == (3, 4, 8, 60)
    assert said["gate"].shape == (3, 4, 60, 1)
    assert ((said["gate"] > 0) & (said["gate"] < 1)).all()


def test_every_gate_is_told_on_demand():
    x = raw(inputs_of("cross_attention"), 3)
    each = a_network("cross_attention", "coral")
    assert each(*x)["gate"].shape == (3, 1, 16, 16)


def test_closed_gates_shut_the_market_out():
    model, (x, market) = a_network("cross_attention", "softmax"), raw(inputs_of("cross_attention"), 4)
    other = market + 3
    assert (model(x, market)["return_1"] - model(x, other)["return_1"]).abs().max() > 1e-4
    with torch.no_grad():
        for layer in model.layers:
            layer.gate.weight.zero_()
            layer.gate.bias.fill_(-100.0)
    torch.testing.assert_close(model(x, market)["return_1"], model(x, other)["return_1"])


def test_layers_are_dropped_in_training_alone():
    """With all layers but surely dropped, what is said no longer depends on their weights; in use it does."""
    inputs = inputs_of("cross_attention")
    options = {"d_model": 8, "heads": 2, "layers": 2, "feed_forward": 8, "market_layers": 1, "dropout": 0.0}
    torch.manual_seed(0)
    model = families.build("cross_attention", {**options, "layer_drop": 0.999999}, inputs, OUTPUTS)
    x = raw(inputs, 4)
    before, used_before = model.train()(*x)["return_1"], model.eval()(*x)["return_1"]
    with torch.no_grad():
        for layer in model.layers:
            layer.own.think[2].bias += torch.arange(8.0)
    torch.testing.assert_close(model.train()(*x)["return_1"], before)
    assert (model.eval()(*x)["return_1"] - used_before).abs().max() > 1e-4
