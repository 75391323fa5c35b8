import json
from pathlib import Path

import numpy as np
import pytest
from runs import HOUR, START_MS, a_recipe, some_bars

from core.errors import ConfigError
from training.data.events import bursts, hours, moves
from training.data.panel import panel
from training.recipe import Loss


def test_a_burst_is_many_times_the_volume_of_the_day_before():
    part = some_bars(symbols=1, bars=100).symbols["S0"]
    part.rows[:, 4] = 1.0
    part.rows[[10, 50, 70], 4] = (9.0, 3.0, 2.9)
    assert np.flatnonzero(bursts(part, Loss(burst=2.5))).tolist() == [50, 70]
    assert np.flatnonzero(bursts(part, Loss(burst=2.8))).tolist() == [50]


def test_a_move_is_many_times_as_far_as_those_of_the_day_before_up_or_down():
    part = some_bars(symbols=1, bars=100).symbols["S0"]
    step = np.where(np.arange(100) % 2, 0.01, -0.01)
    step[[10, 50, 70]] = (0.5, 0.08, -0.06)
    part.rows[:, 3] = 100 * np.exp(np.cumsum(step))
    assert np.flatnonzero(moves(part, Loss(burst=5.0))).tolist() == [50]
    assert np.flatnonzero(moves(part, Loss(burst=4.0))).tolist() == [50, 70]


def test_hours_are_those_of_the_day_at_which_bars_open():
    part = some_bars(symbols=1, bars=100).symbols["S0"]
    found = np.flatnonzero(hours(part, Loss(hours=(14, 20))))
    assert set(part.opened_at_ms[found] // HOUR.ms % 24) == {14, 20}
    assert len(found) == pytest.approx(100 * 2 / 24, abs=2)


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """A fair that was known long before, one of S1 alone, and one that was told five hours late."""
    path = tmp_path / "records.jsonl"
    told = [(0, 100, ""), (0, 200, "S1"), (305, 300, "")]
    minutes = [
        {"name": "fair", "known_at": START_MS + known * HOUR.ms, "at": START_MS + at * HOUR.ms + 60_000, "symbol": of}
        for known, at, of in told
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in minutes))
    return path


def test_a_dated_event_marks_the_bar_in_which_it_fell_or_was_first_known(records: Path):
    external = '[{name="fair", kind="event", reach="1w"}]'
    made = panel(some_bars(), a_recipe(f"data.records={records}", f"data.external={external}", "loss.events=['fair']"))
    first, second = (np.flatnonzero(made.event_R[made.symbol_R == number]).tolist() for number in (0, 1))
    assert first == [100, 305]
    assert second == [100, 200, 305]


def test_several_kinds_of_event_are_taken_together_and_an_unknown_one_is_refused():
    changes = ("loss.hours=[3]", "loss.burst=1.5")
    of = {
        told: panel(some_bars(), a_recipe(f"loss.events={told}", *changes)).event_R
        for told in ("['volume']", "['hours']", "['volume', 'hours']")
    }
    volume, hour, both = of.values()
    assert 0 < volume.sum() < both.sum()
    np.testing.assert_array_equal(both, volume | hour)
    with pytest.raises(ConfigError, match=r"names 'news', there are: volume, move, hours\. try"):
        panel(some_bars(), a_recipe("loss.events=['news']"))
