"""What speaks against a prediction is said with it."""

import numpy as np
from builders import a_bar, a_manifest, an_arrival

from core.bars import Origin
from core.bundle import Window
from core.prediction import Doubt, Reason
from core.reference import HIGH, LOW
from daemon.predicting.behind import Stored
from daemon.predicting.trust import Trust

INPUTS = a_manifest().inputs
RANGE = {LOW + "bars": np.array([-1.0, -1.0, 0.0]), HIGH + "bars": np.array([1.0, 1.0, 1.0])}


def windows(*newest: tuple[float, float, float], before: float = 0.0) -> dict[str, np.ndarray]:
    rows_NTF = np.full((len(newest), 4, 3), before, np.float32)
    rows_NTF[:, -1] = newest
    return {"bars": rows_NTF}


def stored(origin: Origin = Origin.LIVE, filled: int = 0) -> Stored:
    return Stored(an_arrival(a_bar(), origin), 0, filled)


def test_nothing_speaks_against_a_live_prediction_within_all_that_was_trained_on():
    assert Trust(INPUTS, RANGE).doubts([stored()], windows((0.5, -1.0, 1.0)), ()) == [()]


def test_a_feature_beyond_its_range_in_training_is_named_on_its_prediction_alone():
    doubts = Trust(INPUTS, RANGE).doubts([stored(), stored()], windows((0, 0, 0.5), (2.0, 0, -0.5)), ())
    first, _, third = INPUTS[0].features
    assert doubts == [(), (Doubt(Reason.OUTSIDE, f"{first}, {third}"),)]


def test_late_and_filled_bars_are_doubts():
    trust = Trust(INPUTS, RANGE)
    rows = [stored(Origin.BACKFILLED), stored(filled=2), stored(Origin.FILLED)]
    doubts = trust.doubts(rows, windows(*[(0.0, 0.0, 0.0)] * 3), ())
    reasons = [[doubt.reason for doubt in row] for row in doubts]
    assert reasons == [[Reason.LATE], [Reason.FILLED], [Reason.FILLED]]


def test_drift_is_a_doubt_about_all_and_names_what_moved():
    drifting = [f"feature {number}" for number in range(5)]
    doubts = Trust(INPUTS, RANGE).doubts([stored()], windows((0, 0, 0)), drifting)
    assert doubts == [(Doubt(Reason.DRIFTED, "feature 0, feature 1, feature 2 and 2 more"),)]


def test_an_expanding_window_that_is_not_full_is_thin():
    (one,) = INPUTS
    expanding = (type(one)(one.name, "symbol", one.features, "", one.lookback, Window("expanding", 4, 2)),)
    rows, reach = windows(*[(0, 0, 0)] * 2, before=np.nan), np.array([1, 4])
    doubts = Trust(expanding, RANGE).doubts([stored()] * 2, rows, (), reach)
    assert doubts == [(Doubt(Reason.THIN, "1 of 4 bars"),), ()]


def test_a_bundle_without_ranges_says_that_it_cannot_be_judged():
    (doubts,) = Trust(INPUTS, {}).doubts([stored()], windows((9, 9, 9)), ())
    assert [doubt.reason for doubt in doubts] == [Reason.UNCALIBRATED]
