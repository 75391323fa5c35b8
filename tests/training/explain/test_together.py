import numpy as np
from builders import HOUR

from training.explain import together
from training.explain.estimate import Draws

ROWS, STEPS = 600, 12
DRAWS = Draws(np.arange(ROWS) * HOUR.ms, HOUR, STEPS, 1)
REACH = np.full(ROWS, STEPS)


def looks(seed: int = 0):
    chance = np.random.default_rng(seed)
    top = chance.integers(1, STEPS, ROWS)
    return top, np.eye(STEPS, dtype=np.float32)[top], chance.normal(0, 1, (ROWS, STEPS, 4)).astype(np.float32)


def test_a_surge_after_a_calm_bar_is_found_where_the_model_looks():
    top, weights, away = looks()
    some = np.arange(ROWS) % 4 == 0
    away[some, top[some], 1] = 3.0
    away[some, top[some] - 1, 2] = -2.0
    found = together.find(("a", "volume", "width", "d"), weights, away, REACH, DRAWS)
    assert found is not None
    assert (found.at_heaviest, found.before) == ("volume is high", "width is low")
    assert 0.2 < found.meets.value < 0.4
    assert found.meets.value > 3 * found.elsewhere
    assert found.meets.predictions == ROWS // 2
    assert "volume is high and, one bar before, width is low" in found.sentence


def test_chance_is_not_confirmed_by_the_second_half():
    told = [together.find(("a", "b", "c", "d"), *looks(seed)[1:], REACH, DRAWS) for seed in range(20)]
    assert sum(one is not None for one in told) <= 2


def test_what_holds_in_the_first_half_alone_is_not_told():
    top, weights, away = looks(7)
    some = np.arange(ROWS) < ROWS // 2
    away[some, top[some], 1] = 3.0
    away[some, top[some] - 1, 2] = -2.0
    assert together.find(("a", "volume", "width", "d"), weights, away, REACH, DRAWS) is None


def test_rows_that_are_not_there_meet_nobody():
    _, weights, away = looks()
    assert together.find(("a", "b", "c", "d"), weights, away, np.ones(ROWS, np.int64), DRAWS) is None
