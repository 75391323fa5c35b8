"""What the drift benchmark plants is what it says, and its band is that of a Poisson count."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from benchmarks.drift import alarms, page
from benchmarks.drift.page import Calibrated, Planted, Report
from benchmarks.drift.planted import Trial, wilder
from core.bars import Interval
from training.bars.simulate import simulate


def test_the_band_of_a_promise_is_that_of_a_poisson_count():
    assert alarms.band(200.0) == (173, 228)
    assert alarms.band(1.0) == (0, 3)


def test_a_wilder_regime_moves_every_price_twice_as_far_from_then_on_and_changes_nothing_before():
    table = simulate(2, 50, Interval.parse("1h"), datetime(2024, 1, 1, tzinfo=UTC), 3).bars
    at_ms = int(table["ts"].dt.epoch("ms").unique().sort()[30])
    moved = wilder(table, at_ms)
    for symbol in table["symbol"].unique():
        before, after = (one.filter(pl.col("symbol") == symbol)["close"].to_numpy() for one in (table, moved))
        np.testing.assert_array_equal(before[:30], after[:30])
        np.testing.assert_allclose(np.diff(np.log(after[29:])), 2 * np.diff(np.log(before[29:])), rtol=1e-9)


@pytest.mark.parametrize(("delays", "told"), [((5, -1, 7), "7 h, 2 of 3"), ((-1, -1, -1), "-")])
def test_delays_are_told_of_the_trials_that_found_it(delays: tuple[int, ...], told: str):
    trials = tuple(Trial({"attention": one, "input": 1, "prediction": 1}, "head 2: profile") for one in delays)
    calm = Calibrated("simulated afresh", 50, 200, 180, 173, 228)
    report = Report("a machine", "2026-01-01", "abc", (calm,), (Planted("a shuffled head", "head 2", trials),))
    assert f"| a shuffled head | 3 | {told} | 1 h, 3 of 3 | 1 h, 3 of 3 | head 2: 3 of 3 |" in report.markdown()
    assert calm.kept
    assert page.BEGIN in page.PAGE.read_text()
