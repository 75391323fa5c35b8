"""One trial of a sweep: a training of which the lowest validation loss alone is kept."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from core.errors import ConfigError, DataError
from training.fitting import loop
from training.job import Job
from training.recipe import Recipe


class Outcome(msgspec.Struct, frozen=True):
    """The lowest validation loss, or why there is none."""

    loss: float | None
    seconds: float
    refused: str = ""


Attempts = Callable[[dict[int, Recipe], Path], Iterator[tuple[int, Outcome]]]
"""Trains recipes by the number of their trial, and gives each outcome as it comes, in whatever order."""


def attempt(told: Recipe, bars: Path) -> Outcome:
    """Train; what is judged later is not looked at."""
    started = time.perf_counter()
    try:
        job = Job(told, bars)
        loop.set_up(job.model, job.parts, normalise=told.data.normalise)
        loss = min(epoch.validation_loss for epoch in loop.fit(job.model, job.parts, told, lambda *_: None))
    except (ConfigError, DataError) as error:
        return Outcome(None, time.perf_counter() - started, str(error))
    return Outcome(loss, time.perf_counter() - started)


def in_turn(planned: dict[int, Recipe], bars: Path) -> Iterator[tuple[int, Outcome]]:
    """One after the other, in this process."""
    for number, told in planned.items():
        yield number, attempt(told, bars)
