"""Misfortunes: what is done to a daemon and its Redis, and when."""

import random
from typing import Final

import msgspec

from benchmarks.crash.stores import KILL

STARTING: Final = ("the engine reproduces the golden outputs", "windows are back", "socket open", "ready")
"""What a daemon logs as it starts: points at which it may die."""
WORDS: Final = {
    "kill": "daemon killed (SIGKILL)",
    "stop": "daemon told to end (SIGTERM)",
    KILL: "Redis killed (SIGKILL)",
    "pause-store": "Redis paused (SIGSTOP)",
}


class Blow(msgspec.Struct, frozen=True):
    """One misfortune: what is done, and when: at so many messages in the stream, or at a word of the daemon's start."""

    kind: str  # kill, by SIGKILL, or stop, by SIGTERM: the daemon. kill-store, pause-store: Redis
    at: int
    word: str = ""


def plan(kills: int, bars: int, seed: int) -> list[Blow]:
    """So many kills and a quarter as many other blows, spread over a run of so many bars.

    A third of the kills hit a daemon that is starting.
    """
    draw = random.Random(seed)
    kinds = ["kill"] * kills + draw.choices(("kill-store", "pause-store", "stop"), (2, 1, 1), k=kills // 4)
    draw.shuffle(kinds)
    points = sorted(int(draw.uniform(0, 0.9) * bars) for _ in kinds)
    words = [draw.choice(STARTING) if kind == "kill" and draw.random() < 1 / 3 else "" for kind in kinds]
    return [Blow(*one) for one in zip(kinds, points, words, strict=True)]
