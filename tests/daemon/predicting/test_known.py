"""The daemon's external records: read again when their file changes, and what is wrong with them is told."""

from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError, DataError
from core.external import External
from daemon.predicting.known import Known

MOOD = External("mood", "series", 1_000_000)
AT = np.array([5_000], np.int64)


class Told:
    """What metrics would show."""

    def __init__(self) -> None:
        self.newest: dict[str, int] = {}
        self.late = self.refused = 0

    def records_known(self, newest_ms: dict[str, int]) -> None:
        self.newest = newest_ms

    def records_late(self, count: int) -> None:
        self.late += count

    def records_refused(self) -> None:
        self.refused += 1


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with one record."""
    path = tmp_path / "records.jsonl"
    add(path, 1_000, 0.5)
    return path


def add(path: Path, known_ms: int, value: float, symbol: str = "") -> None:
    with path.open("a") as file:
        file.write(f'{{"name": "mood", "known_at": {known_ms}, "value": {value}, "symbol": "{symbol}"}}\n')


def spoil(path: Path) -> None:
    path.write_text("no record\n")


def remove(path: Path) -> None:
    path.unlink()


def known_of(path: Path, told: Told, closed_until_ms: int = 0) -> Known:
    return Known(str(path), [MOOD], str.upper, told, look_s=60, closed_until_ms=lambda: closed_until_ms)


def mood(known: Known, symbol: str = "BTCUSDT") -> float:
    return float(known().columns([MOOD], symbol, AT)[0, 0])


async def test_what_is_appended_counts_once_the_file_was_looked_at(path: Path, told: Told):
    known = known_of(path, told)
    add(path, 4_000, 2.0, "btcusdt")
    assert mood(known) == 0.5
    await known.look()
    assert (mood(known), mood(known, "ETHUSDT")) == (2.0, 0.5)
    assert told.newest == {"mood": 4_000}
    assert told.late == 0


async def test_records_that_come_after_bars_they_should_have_counted_for_are_told(path: Path, told: Told):
    known = known_of(path, told, closed_until_ms=3_000)
    for known_ms in (2_000, 3_000, 3_001):
        add(path, known_ms, 1.0)
    await known.look()
    assert told.late == 2


async def test_a_file_that_cannot_be_read_again_changes_nothing_until_it_can(path: Path, told: Told):
    known = known_of(path, told)
    spoil(path)
    await known.look()
    await known.look()
    assert (mood(known), told.refused) == (0.5, 1)
    remove(path)
    await known.look()
    assert (mood(known), told.refused) == (0.5, 2)
    add(path, 4_000, 3.0)
    await known.look()
    assert mood(known) == 3.0


def test_a_model_that_reads_records_does_not_start_without_them(path: Path, told: Told, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"reads external records of mood.*external\.path"):
        Known("", [MOOD], str, told, look_s=60, closed_until_ms=lambda: 0)
    with pytest.raises(ConfigError, match="no record of fair"):
        Known(str(path), [External("fair", "event", 1)], str, told, look_s=60, closed_until_ms=lambda: 0)
    with pytest.raises(DataError, match="no file"):
        known_of(tmp_path / "none.jsonl", told)
