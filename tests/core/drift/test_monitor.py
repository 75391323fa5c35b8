"""What moved is found, and named."""

import numpy as np
import pytest
from watched import QUARTER, Walk, a_reference, a_walk

from core.drift.monitor import Monitor

BEGIN = 240 + 200


def observations_until_alarm(monitor: Monitor, walked: Walk) -> int:
    """How many observations after BEGIN the first alarm comes."""
    for at, (values, parts) in enumerate(zip(walked.values, walked.parts, strict=True)):
        if monitor.take(values, parts) and at >= BEGIN:
            return at - BEGIN
    return -1


def moved_walk(**changes: object) -> Walk:
    walked = a_walk(0.5, seed=9)
    values, parts = walked.values.copy(), walked.parts.copy()
    for number, change in changes.items():
        column = int(number.removeprefix("statistic_"))
        values[BEGIN:, column] = change(values[BEGIN:, column])  # type: ignore[operator]
    return Walk(values, parts)


@pytest.mark.parametrize(
    ("change", "within"),
    [
        (lambda column: column * 6, 200),
        (lambda column: np.full_like(column, column[0]), 200),
        (lambda column: column + 8, 120),
    ],
    ids=["another scale", "frozen", "another level"],
)
def test_a_statistic_that_changes_is_found_and_named_first(change: object, within: int):
    monitor = Monitor(a_reference())
    delay = observations_until_alarm(monitor, moved_walk(statistic_11=change))
    assert 0 <= delay <= within
    first = monitor.moved()[0]
    assert (first.group, first.name) == ("input", "statistic 11")
    assert monitor.ratios()["input"] == first.ratio
    assert monitor.ratios()["prediction"] < 1


def test_a_head_that_looks_elsewhere_is_named_with_the_bars_it_looks_at():
    walked = a_walk(0.5, seed=9)
    walked.parts[BEGIN:, 1, [0, 15]] += [[0.3, 0.0]]
    walked.parts[BEGIN:, 1] /= walked.parts[BEGIN:, 1].sum(axis=-1, keepdims=True)
    monitor = Monitor(a_reference())
    assert 0 <= observations_until_alarm(monitor, walked) <= 24
    first = monitor.moved()[0]
    assert first.name == "head 1: profile"
    assert first.bars_ago == (47, 45)


def test_nothing_is_past_its_limit_while_windows_fill():
    monitor, walked = Monitor(a_reference()), a_walk(0.5, seed=9)
    for values, parts in zip(walked.values[:23], walked.parts[:23], strict=True):
        monitor.take(values + 1e6, parts)
    assert not monitor.alarms


def test_a_monitor_that_was_put_away_goes_on_to_the_same_bits():
    walked = moved_walk(statistic_3=lambda column: column + 8)
    whole, first = Monitor(a_reference()), Monitor(a_reference())
    second = Monitor(a_reference())
    for at, (values, parts) in enumerate(zip(walked.values[:600], walked.parts[:600], strict=True)):
        whole.take(values, parts)
        (first if at < 300 else second).take(values, parts)
        if at == 299:
            second.restore(first.state())
    assert second.ratio_J.tobytes() == whole.ratio_J.tobytes()
    assert (second.alarms, second.moved()) == (whole.alarms, whole.moved())


def test_a_statistic_without_a_number_moves_nothing():
    monitor, walked = Monitor(a_reference()), a_walk(0.5, seed=9)
    walked.values[:, 5] = np.nan
    for values, parts in zip(walked.values[: QUARTER // 4], walked.parts[: QUARTER // 4], strict=True):
        monitor.take(values, parts)
    told = [ratio for label, ratio in zip(monitor.labels, monitor.ratio_J, strict=True) if label.name == "statistic 5"]
    assert not any(told)
