"""Intervals and bets keep their promise although somebody looks after every observation and stops when it suits."""

import math

import numpy as np
import pytest

from core.sequential import ALPHA, Bet, Mean

DAY = 24


def test_the_interval_holds_the_mean_at_every_moment_together():
    chance, misses, runs = np.random.default_rng(1), 0, 400
    for _ in range(runs):
        mean, missed = Mean(0.0, 1.0), False
        for value in chance.beta(2, 6, size=300):
            mean.take(float(value))
            low, high = mean.interval
            missed |= not low <= 0.25 <= high
        misses += missed
    assert misses / runs <= ALPHA


def test_the_interval_narrows_around_the_mean():
    mean = Mean(-1.0, 1.0)
    for value in np.random.default_rng(2).uniform(0.1, 0.3, 3_000):
        mean.take(float(value))
    low, high = mean.interval
    assert low < 0.2 < high
    assert high - low < 0.06
    assert mean.mean == pytest.approx(0.2, abs=0.01)


def test_before_the_first_observation_nothing_is_known():
    assert Mean(-1.0, 1.0).interval == (-1.0, 1.0)
    assert math.isnan(Mean(-1.0, 1.0).mean)


def overlapping(chance: np.random.Generator, closes: int, skill: float = 0.0) -> np.ndarray:
    """Per close the difference in skill over the next 24 bars: neighbours share 23 of them, as labels do."""
    bars = chance.normal(skill, 1.0, closes + DAY)
    sums = np.convolve(bars, np.ones(DAY), "valid")[:closes] / math.sqrt(DAY)
    return np.tanh(sums)


def rejected(differences: np.ndarray, every: int) -> bool:
    """Whether one who looks after each observation ever sees 20 times the capital."""
    bet = Bet()
    for value in differences[::every]:
        bet.take(float(value))
        if bet.log_capital >= math.log(1 / ALPHA):
            return True
    return False


def test_no_skill_over_24_bars_is_seldom_taken_for_skill_by_one_who_stops_when_it_suits():
    chance, runs = np.random.default_rng(3), 500
    assert sum(rejected(overlapping(chance, 200 * DAY), DAY) for _ in range(runs)) / runs <= ALPHA


def test_closes_that_share_their_labels_would_break_the_promise():
    chance, runs = np.random.default_rng(3), 100
    assert sum(rejected(overlapping(chance, 50 * DAY), 1) for _ in range(runs)) / runs > 2 * ALPHA


def test_skill_is_found():
    assert rejected(overlapping(np.random.default_rng(4), 200 * DAY, skill=0.1), DAY)


def test_recent_capital_sees_a_change_that_the_whole_record_hides():
    bet = Bet()
    for value in np.concatenate([np.full(400, -0.2), np.full(100, 0.2)]) + np.random.default_rng(5).normal(0, 0.1, 500):
        bet.take(float(np.clip(value, -1, 1)))
    assert bet.log_capital < math.log(1 / ALPHA)
