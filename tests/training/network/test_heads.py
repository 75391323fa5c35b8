import pytest
import torch

from core.outputs import Kind, Output
from training.network.heads import CoralHead, Head, make

CLASSES = Output(Kind.ORDINAL, 1, levels=(0.0, 1.0, 2.0, 3.0))


def test_the_scale_is_saved_with_the_weights_and_not_learned():
    head = Head(4, Output(Kind.RETURN, 1))
    assert "scale" in head.state_dict()
    assert not any(name == "scale" for name, _ in head.named_parameters())


def test_a_return_is_said_in_its_own_unit():
    head = Head(4, Output(Kind.RETURN, 1))
    head.scale.fill_(0.01)
    assert head.say(torch.tensor([[2.0], [-1.0]])).tolist() == pytest.approx([0.02, -0.01])


def test_a_direction_is_the_share_of_the_upper_of_two_logits():
    head = Head(4, Output(Kind.DIRECTION, 1))
    assert head(torch.zeros(5, 4)).shape == (5, 2)
    assert head.say(torch.tensor([[0.0, 0.0], [0.0, 1.0986123]])).tolist() == pytest.approx([0.5, 0.75])


def test_a_trend_of_nothing_is_zero_and_one_of_much_is_one():
    said = Head(4, Output(Kind.TREND, 1)).say(torch.tensor([[0.0], [50.0], [-50.0]]))
    assert said.tolist() == [0.0, 1.0, -1.0]


def test_quantiles_never_cross_whatever_the_raw_numbers():
    raw = 20 * torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    said = Head(4, Output(Kind.QUANTILES, 1, levels=(0.1, 0.5, 0.9))).say(raw)
    assert (said.diff(dim=1) >= 0).all()


def test_coral_tells_classes_apart_by_one_score_and_never_says_less_than_nothing():
    """As the score grows the probability moves to higher classes; each class is likeliest somewhere."""
    torch.manual_seed(0)
    head = make(1, CLASSES, coral=True)
    assert isinstance(head, CoralHead)
    assert head.linear.weight.shape == (1, 1)
    with torch.no_grad():
        head.linear.weight.fill_(1.0)
        head.steps.fill_(3.0)
        said = head.say(head(torch.linspace(-12, 12, 200)[:, None]))
    assert (said >= 0).all()
    torch.testing.assert_close(said.sum(1), torch.ones(200))
    named = said.argmax(dim=1)
    assert (named.diff() >= 0).all()
    assert set(named.tolist()) == {0, 1, 2, 3}


def test_coral_is_for_ordered_classes_alone():
    assert not isinstance(make(4, Output(Kind.RETURN, 1), coral=True), CoralHead)
