from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from looks import Pointing, silent, speaking

from core import barfile
from core.bars import Interval
from training.bars.simulate import simulate
from training.explain import explaining, truth
from training.explain.explaining import Explained
from training.explain.subject import Subject

HOUR = Interval.parse("1h")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = simulate(4, 800, HOUR, datetime(2023, 11, 14, 22, tzinfo=UTC), 3)
    path = tmp_path_factory.mktemp("simulated") / "bars.parquet"
    made.bars.write_parquet(path)
    made.events.write_parquet(path.with_name("bars.events.parquet"))
    return path


@pytest.fixture(scope="module")
def told(simulated: Path, run_subject: Subject) -> Explained:
    """A model that looks at the largest volume: on these bars that is the event."""
    return explaining.explain(speaking(Pointing(honest=True), run_subject), simulated, None, 20_000, None, silent)


def test_a_look_at_bursts_of_volume_finds_the_planted_events(told: Explained):
    found = told.report.attentions[0].truth
    assert found is not None
    attention = found.finders[0]
    assert attention.name == "attention"
    assert attention.found[1].value > 0.9
    assert found.chance[1] < 0.5
    assert any("Planted causes: attention finds" in sentence for sentence in told.report.attentions[0].findings)


def test_the_cause_is_where_the_bars_were_made(told: Explained, simulated: Path):
    back = truth.planted(told.predictions, simulated.with_name("bars.events.parquet"))
    file = barfile.read(simulated)
    events = pl.read_parquet(simulated.with_name("bars.events.parquet"))
    known = {(row["symbol"], row["ts"]) for row in events.iter_rows(named=True)}
    assert (back >= 0).any()
    for row in np.flatnonzero(back >= 0)[:50].tolist():
        at_ms = int(told.predictions.samples.opened_at_ms[row]) - int(back[row]) * HOUR.ms
        assert (told.predictions.symbol(row), datetime.fromtimestamp(at_ms / 1_000, UTC)) in known
    assert file.interval == HOUR


def test_pointing_blindly_finds_what_chance_says(told: Explained, simulated: Path):
    of = told.predictions
    back = truth.planted(of, simulated.with_name("bars.events.parquet"))
    blind = np.random.default_rng(0).random((len(of), 8))
    found = truth.find(back, {"blind": (np.arange(len(of)), blind)}, of)
    assert found is not None
    assert found.finders[0].found[1].value == pytest.approx(found.chance[1], abs=0.12)
    assert found.finders[0].lift.value == pytest.approx(1.0, abs=0.12)


@pytest.mark.parametrize(("after", "found"), [(-1, 0.0), (0, 1.0), (2, 1.0), (3, 0.0)])
def test_only_the_event_and_the_two_steps_after_it_count_as_found(told: Explained, after: int, found: float):
    of, back = told.predictions, np.full(len(told.predictions), 4)
    pointed = np.tile(np.eye(8)[8 - 1 - 4 + after], (len(of), 1))
    judged = truth.find(back, {"pointed": (np.arange(len(of)), pointed)}, of)
    assert judged is not None
    assert judged.finders[0].found[1].value == found
    assert judged.finders[0].lift.value == pytest.approx(found * 8 / 3)
    assert judged.chance[1] == pytest.approx(3 / 8)


def test_bars_without_planted_events_have_no_truth(explained: Explained):
    assert explained.report.attentions[0].truth is None
