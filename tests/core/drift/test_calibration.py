"""The promise of so many false alarms a quarter holds on quarters the limits have never seen, and drift is found."""

import numpy as np
import pytest
from watched import QUARTER, a_reference, a_walk, alarms, monitor

from core.drift import calibration
from core.drift.calibration import episodes, level
from core.errors import ConfigError

BAND_200 = (173, 228)
"""What a Poisson count of mean 200 stays within 95 times in a hundred."""


def test_an_alarm_is_over_after_as_many_quiet_observations_as_a_window_has():
    worst_N = np.zeros(100)
    worst_N[[3, 4, 10, 60]] = 2.0
    assert episodes(worst_N, 1.0, quiet=20) == 2
    assert episodes(worst_N, 1.0, quiet=5) == 3
    assert episodes(worst_N, 3.0, quiet=5) == 0


def test_a_block_is_drawn_as_it_lies_in_the_reference_end_and_beginning_joined():
    drawn = calibration.drawn(np.random.default_rng(0), 50, 10_000, 25)
    assert set(drawn.tolist()) == set(range(50))
    assert ((np.diff(drawn) == 1) | (np.diff(drawn) == -49)).mean() == pytest.approx(1 - 1 / 25, abs=0.01)


def test_fewer_false_alarms_ask_for_a_higher_level():
    limits = a_reference(quarters=1).limits
    assert limits is not None
    assert level(limits, 0.25) > level(limits, 1.0) > level(limits, 4.0)


def test_a_reference_too_short_for_the_promise_is_refused_with_what_it_supports():
    short = a_reference(quarters=0.5)
    with pytest.raises(ConfigError, match=r"supports no fewer than 2\. "):
        monitor(short, rate=1.0)
    assert monitor(short).rate == pytest.approx(2.0)


def test_a_reference_too_short_for_any_window_is_refused():
    with pytest.raises(ConfigError, match="too short to watch drift by"):
        monitor(a_reference(quarters=0.05))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_false_alarms_come_as_rarely_as_promised_on_quarters_of_a_process_that_does_not_change():
    """Twelve references, eight fresh quarters each: one alarm a quarter over all statistics together.

    References differ by luck, so the promise must lie in the 95 % interval of the mean of their rates.
    """
    rates = []
    for seed in range(12):
        reference = a_reference(quarters=4, seed=seed)
        rates.append(sum(alarms(reference, a_walk(1.0, seed=100 * seed + number + 1)) for number in range(8)) / 8)
    half = 2.2 * np.std(rates, ddof=1) / np.sqrt(len(rates))
    assert abs(np.mean(rates) - 1) <= half
    assert half < 1 / 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_false_alarms_come_as_rarely_as_promised_on_quarters_drawn_anew_from_the_reference():
    """A thousand of five references, told for two hundred: limits are no luck of the quarters that gave them."""
    count = 0
    for seed in range(5):
        reference = a_reference(quarters=4, seed=seed)
        limits = reference.limits
        assert limits is not None
        at = level(limits, 1.0)
        for number in range(200):
            chance = 10_000 + 200 * seed + number
            worst_N = calibration.redrawn(reference.values_CK, reference.profiles, limits, QUARTER, chance)
            count += episodes(worst_N, at, max(limits.windows))
    assert BAND_200[0] <= count / 5 <= BAND_200[1]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_false_alarms_come_no_oftener_than_promised_on_quarters_drawn_from_history():
    """The stationary block bootstrap of what the reference has, and of as much history that it has not.

    Both know less than the future does, so they alarm less often than fresh quarters of the same process.
    """
    of_reference = of_history = 0
    for seed in range(5):
        whole = a_walk(8.0, seed=seed + 50)
        half = len(whole.values) // 2
        reference = a_reference(walk=whole.cut(0, half), seed=seed)
        chance = np.random.default_rng(seed)
        for _ in range(40):
            # Blocks of eight windows: shorter ones would cut the memory of what a window sees.
            rows = calibration.drawn(chance, half, QUARTER + 240, 8 * 120)
            of_reference += alarms(reference, whole.rows(rows))
            of_history += alarms(reference, whole.rows(half + rows))
    assert of_reference <= of_history <= BAND_200[1]
    assert of_reference > 0
