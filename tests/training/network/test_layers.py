import pytest
import torch

from training.network.layers import Dropout, Pooling


def test_dropout_leaves_the_mean_and_makes_its_share_zero():
    torch.manual_seed(0)
    x = torch.ones(200, 501)
    for share in (0.1, 0.5, 0.9):
        y = Dropout(share).train()(x)
        assert (y == 0).float().mean().item() == pytest.approx(share, abs=0.005)
        assert y.mean().item() == pytest.approx(1, abs=0.02)
        assert sorted(y.unique().tolist()) == pytest.approx([0, 1 / (1 - share)])


def test_what_is_dropped_is_drawn_anew_and_from_the_seed():
    drop, x = Dropout(0.5).train(), torch.ones(7, 11)
    torch.manual_seed(3)
    first, second = drop(x), drop(x)
    torch.manual_seed(3)
    assert torch.equal(drop(x), first)
    assert not torch.equal(first, second)


def test_nothing_passes_back_through_what_was_dropped():
    x = torch.ones(50, 3, requires_grad=True)
    y = Dropout(0.4).train()(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_nothing_is_dropped_outside_training_or_at_a_share_of_none():
    x = torch.randn(4, 5)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0).train()(x) is x


def test_neighbours_are_dropped_independently():
    """Four numbers share one draw of 64 bits; their fates must not."""
    torch.manual_seed(1)
    dropped = (Dropout(0.5).train()(torch.ones(40_000)) == 0).float().reshape(-1, 4)
    correlation = torch.corrcoef(dropped.T)
    assert (correlation - torch.eye(4)).abs().max() < 0.03


def test_a_pooling_of_one_head_is_that_of_several_with_one():
    """The one product of matrices gives what as many small ones would."""
    torch.manual_seed(0)
    pool, states = Pooling(6, "bahdanau"), torch.randn(5, 4, 6)
    first, second = pool.score[0], pool.score[2]
    hidden = torch.tanh(torch.einsum("nti,io->nto", states, first.weight[0]) + first.bias[0])
    expected = torch.softmax((hidden @ second.weight[0]).squeeze(-1), dim=-1)
    torch.testing.assert_close(pool(states)[1], expected)
