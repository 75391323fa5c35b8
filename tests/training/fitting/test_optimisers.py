import pytest
import torch

from training.fitting.optimisers import Rate
from training.recipe import Schedule


def rates(schedule: Schedule, losses: list[float]):
    """The learning rate of each epoch, and that of a component with a tenth of it."""
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimiser = torch.optim.SGD([{"params": weights[:1], "lr": 1.0}, {"params": weights[1:], "lr": 0.1}])
    rate, found = Rate(optimiser, schedule, len(losses)), []
    for loss in losses:
        found.append(rate.now)
        assert optimiser.param_groups[1]["lr"] == pytest.approx(0.1 * rate.now)
        rate.next(loss)
    return found


def test_a_constant_rate_stays():
    assert rates(Schedule(), [1.0] * 5) == [1.0] * 5


def test_a_cosine_grows_over_the_warm_up_then_falls_towards_nothing():
    found = rates(Schedule("cosine", warmup=3), [1.0] * 11)
    assert found[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert found[7] == pytest.approx(0.5)
    assert found[3:] == sorted(found[3:], reverse=True)
    assert 0 < found[-1] < 0.05


def test_a_plateau_halves_the_rate_and_an_improvement_starts_the_count_again():
    losses = [1.0, 1.0, 1.0, 0.5, 0.6, 0.6, 0.6, 0.6]
    assert rates(Schedule("plateau", patience=2), losses) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]
