"""A month of twenty symbols by the hour: every prediction is analysed, in work and memory that are counted."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from runs import some_bars, write_parquet

from training.explain import explaining
from training.explain.reads import Floats, Reads
from training.explain.subject import Subject

SYMBOLS, HOURS = 20, 30 * 24
SEEN = 510
"""Bars that the tiny run was trained on, about."""
MEMORY = 200 * 2**20


class Counted:
    """A subject's voice that counts the windows it is asked of."""

    def __init__(self, subject: Subject) -> None:
        self.windows, self._say = 0, subject.say
        self.subject = msgspec.structs.replace(subject, say=self)

    def __call__(self, x: Reads) -> dict[str, Floats]:
        self.windows += len(x[0])
        return self._say(x)


class Stages:
    """Every stage that began, and what it was told."""

    def __init__(self) -> None:
        self.told: dict[str, list[float]] = {}

    def __call__(self, name: str) -> Callable[[float], None]:
        self.told[name] = []
        return self.told[name].append


def bars(folder: Path, hours: int) -> Path:
    return write_parquet(some_bars(symbols=SYMBOLS, bars=SEEN + 40 + hours), folder / f"{hours}.parquet")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_all_predictions_of_a_month_are_analysed_within_memory_while_progress_is_told(
    run_subject: Subject, tmp_path: Path
):
    month, stages = Counted(run_subject), Stages()
    path = bars(tmp_path, HOURS)
    tracemalloc.start()
    told = explaining.explain(month.subject, path, None, 20_000, None, stages).report
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert told.predictions > SYMBOLS * HOURS
    assert told.symbols == SYMBOLS
    assert most < MEMORY
    for name in ("predict", "attribute", "measure", "single predictions"):
        assert stages.told[name] == sorted(stages.told[name])
        assert stages.told[name][-1] == pytest.approx(1.0)
    assert len(stages.told["predict"]) > 20
    # Attribution and the tests of reliability take as many windows of a week as of a month.
    week = Counted(run_subject)
    fewer = explaining.explain(week.subject, bars(tmp_path, 7 * 24), None, 20_000, None, Stages()).report
    assert month.windows - week.windows < 1.05 * (told.predictions - fewer.predictions) + 200
