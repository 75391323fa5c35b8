"""The promise of so many false alarms a quarter holds on quarters the limits have never seen, and drift is found."""

import numpy as np
import pytest
from watched import QUARTER, a_reference, a_reference_of, a_walk, alarms, monitor

from core.drift import calibration
from core.drift.calibration import episodes, level
from core.errors import ConfigError

YEAR = 4.0
"""Quarters of a reference."""
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
@pytest.mark.timeout(1_800)
def test_false_alarms_are_within_the_poisson_band_of_the_promise_on_quarters_drawn_in_blocks_and_on_fresh_ones():
    """Two hundred references, one quarter each: those of one reference would be alike, and no Poisson count.

    One is drawn in blocks, as the limits were, from history that the reference has not seen; one is the process going
    on. Drawn from the reference itself, they alarm less: that knows them.
    """
    of_history = of_process = of_reference = 0
    for seed in range(1_000, 1_200):
        walked = a_walk(2 * YEAR, seed, statistics=6)
        half = len(walked.values) // 2
        reference = a_reference_of(walked.cut(0, half), seed)
        of_process += alarms(reference, walked.cut(half, half + QUARTER + 240))
        rows = calibration.drawn(np.random.default_rng(seed), half, QUARTER + 240, 8 * 120)
        of_history += alarms(reference, walked.rows(half + rows))
        of_reference += alarms(reference, walked.rows(rows))
    print({"drawn from the reference": of_reference, "from history": of_history, "going on": of_process})
    assert BAND_200[0] <= of_process <= BAND_200[1]
    assert BAND_200[0] <= of_history <= BAND_200[1]
    assert 0 < of_reference < of_history
