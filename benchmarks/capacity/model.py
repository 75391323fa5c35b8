"""What so many symbols in so many processes take, on paper: so much a process, and so much a symbol.

Daemons that share symbols out have nothing in common but the server, which takes so much however many there are: one
process at several sizes, and two at one of them, are enough to say what several take.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

MINUTE_S: Final = 60.0
DAEMON: Final = "daemon"
MOST_A_SHARD: Final = 10_000
"""No benchmark has seen a daemon with more."""
QUANTITIES: Final[Mapping[str, str]] = {
    "daemon_close_s": "CPU s of the daemons, from a close to the last prediction",
    "daemon_bar_s": "CPU s of the daemons for a bar, with what is run ahead of the next",
    "daemon_idle_s": "CPU s of the daemons in a minute without bars",
    "daemon_mib": "MiB of the daemons at most",
    "redis_bar_s": "CPU s of Redis for a bar",
    "redis_idle_s": "CPU s of Redis in a minute without bars",
    "redis_mib": "MiB of Redis, but for its streams",
    "redis_scripts": "scripts that Redis ran for a bar",
    "redis_commands": "commands that Redis ran for a bar, those of scripts among them",
    "redis_in_mib": "MiB to Redis for a bar",
    "redis_out_mib": "MiB from Redis for a bar, one subscriber",
    "subscriber_bar_s": "CPU s of one subscriber for a bar",
    "venue_bar_s": "CPU s of the stand-in venue for a bar",
}
"""All processes of a kind together; a bar: of every symbol, one."""


class Use(msgspec.Struct, frozen=True):
    """What was measured at one size. `updates`: so often a bar was told before it closed; idling has their cost too."""

    symbols: int
    processes: int
    updates: int
    bars: int
    looked: float
    """The share of the time set aside for looking at idling that bars left: well below 1, CPU seconds mean little."""
    last_ms: float
    period_cpu_s: float
    """CPU of the daemons from one close to the next by the venue's clock, which runs `speed` times as fast as ours."""
    speed: float
    stream_bytes: float
    """Of one message in a stream of Redis."""
    took: dict[str, float]


class Line(msgspec.Struct, frozen=True):
    """One quantity. `always`: what it is without a process or a symbol; 0 of the daemons."""

    always: float
    a_process: float
    a_symbol: float

    def at(self, symbols: int, processes: int) -> float:
        """What it comes to."""
        return self.always + self.a_process * processes + self.a_symbol * symbols


class Model(msgspec.Struct, frozen=True):
    """Every quantity by its name, and what one open update and one message in a stream take."""

    lines: dict[str, Line]
    update_s: float
    stream_bytes: float


class Need(msgspec.Struct, frozen=True):
    """What `symbols` need whose last prediction is to be out `within_s` after they closed."""

    symbols: int
    within_s: float
    shards: int
    primaries: int
    daemon_cores_minute: float
    """Cores busy on average over a minute, all daemons."""
    redis_cores_minute: float
    daemon_mib: float
    redis_mib: float


def derive(uses: Sequence[Use], told: Use) -> Model:
    """From one process at several sizes and two at one; `told`: one process again, with open updates.

    Least squares over (1, processes, symbols), of the daemons without the 1.
    """
    sizes = np.array([(1, use.processes, use.symbols) for use in uses], np.float64)
    lines: dict[str, Line] = {}
    for name in QUANTITIES:
        took = np.array([use.took[name] for use in uses])
        first = int(name.startswith(DAEMON))
        found = np.linalg.lstsq(sizes[:, first:], took, rcond=None)[0].tolist()
        lines[name] = Line(*[0.0] * first, *found)
    alike = (told.symbols, told.processes, told.speed)
    [quiet] = [use for use in uses if (use.symbols, use.processes, use.speed) == alike]
    more_s = told.period_cpu_s - quiet.period_cpu_s
    stream_bytes = float(np.mean([use.stream_bytes for use in uses]))
    return Model(lines, max(more_s, 0.0) / (told.updates * told.symbols), stream_bytes)


def errors(model: Model, use: Use) -> dict[str, float]:
    """By how much of what was measured the model says more than that."""
    return {
        name: model.lines[name].at(use.symbols, use.processes) / measured - 1 if measured else 0.0
        for name, measured in use.took.items()
    }


def need(model: Model, symbols: int, within_s: float, updates: float) -> Need | None:
    """For one-minute bars that all close together, `updates` told of each before; None where no number is enough.

    A shard has one core, a primary of Redis one thread; both end within the time, and a minute's work fits into it.
    """
    lines = model.lines
    close, bar, idle = lines["daemon_close_s"], lines["daemon_bar_s"], lines["daemon_idle_s"]
    minute_each = bar.a_process + idle.a_process
    minute_s = (bar.a_symbol + idle.a_symbol + updates * model.update_s) * symbols
    if close.a_process >= within_s or minute_each >= MINUTE_S:
        return None
    shards = max(
        math.ceil(close.a_symbol * symbols / (within_s - close.a_process)),
        math.ceil(minute_s / (MINUTE_S - minute_each)),
        math.ceil(symbols / MOST_A_SHARD),
    )
    redis_s = lines["redis_bar_s"].at(symbols, shards)
    return Need(
        symbols,
        within_s,
        shards,
        max(math.ceil(redis_s / within_s), 1),
        (minute_s + minute_each * shards) / MINUTE_S,
        (redis_s + lines["redis_idle_s"].at(symbols, shards)) / MINUTE_S,
        lines["daemon_mib"].at(symbols, shards),
        lines["redis_mib"].at(symbols, shards),
    )
