import torch
from networks import a_network, an_input, inputs_of, raw

from core.outputs import Kind, Output
from training import families

BOTH = tuple(Output(kind, horizon) for horizon in (1, 4) for kind in (Kind.TREND, Kind.DIRECTION))


def documents(**options: object):
    return families.build("dual_horizon", options, (an_input(12, 62),), BOTH)


def learned(layer: torch.nn.Module) -> int:
    return sum(weights.numel() for weights in layer.parameters())


def test_that_of_the_document_has_its_layers_and_their_sizes():
    model = documents()
    sizes = {name: learned(layer) for name, layer in model.named_children() if learned(layer)}
    way = 4 * 128
    assert sizes == {
        # Two directions of two layers: 62 features, then the 256 numbers of both directions; 128 units, two biases.
        "lstm": 2 * way * (62 + 128 + 2) + 2 * way * (256 + 128 + 2),
        "project": 256 * 128 + 128,
        # Query, value, out with a bias, key without.
        "attend": 4 * 128 * 128 + 3 * 128,
        "towers": 2 * (128 * 64 + 64 + 64 * 32 + 32),
        # A trend and two direction logits of each horizon.
        "heads": 2 * (32 + 1) + 2 * (2 * 32 + 2),
    }


def test_each_horizon_says_a_trend_and_two_direction_logits():
    said = documents().raw(torch.randn(5, 12, 62))
    assert {name: tuple(values.shape) for name, values in said.items()} == {
        "trend_1": (5, 1), "direction_1": (5, 2), "trend_4": (5, 1), "direction_4": (5, 2), "attention": (5, 4, 12)
    }  # fmt: skip


def test_a_tower_is_heard_in_its_own_horizon_alone():
    model, x = documents().eval(), torch.randn(5, 12, 62)
    before = model(x)
    with torch.no_grad():
        model.towers["4"][0].weight.zero_()
    after = model(x)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"trend_4", "direction_4"}


def test_the_mean_of_the_heads_is_told_on_demand():
    torch.manual_seed(0)
    each = documents().eval()
    mean = documents(weights="mean").eval()
    mean.load_state_dict(each.state_dict())
    x = torch.randn(5, 12, 62)
    assert mean.attentions[0].axes == ("time",)
    torch.testing.assert_close(mean(x)["attention"], each(x)["attention"].mean(dim=1))


def test_it_reads_the_window_both_ways_unless_told_otherwise():
    """The first step's state knows the last step of the window, or does not."""
    for variant, both in (("heads", True), ("mean", False)):
        model = a_network("dual_horizon", variant)
        (x,) = raw(inputs_of("dual_horizon"), 4)
        changed = x.clone()
        changed[:, -1] += 3
        first, other = (model.lstm(one)[0][:, 0] for one in (x, changed))
        assert torch.equal(first, other) != both
