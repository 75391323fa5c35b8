"""Bars in a history that look as if they had not closed when they were told: cut short, whatever came after them.

Such a bar has little volume, and the next one, which follows at once, opens away from its close. Sure it is only beside
another interval's bars; here it is a suspicion, which `gaze bars check` tells by the same rule. T bars.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from core.bars import CLOSE, HIGH, LOW, OPEN, VOLUME, BarArray, Interval, TimeArray, consistent
from core.sessions import Sessions

NEIGHBOURS: Final = 101
"""Bars around a bar that say what is usual there."""
FEW_NEIGHBOURS: Final = 20
TINY_VOLUME: Final = 0.25
"""A bar is suspected below this share of the median volume around it, where the next bar also ..."""
JUMP: Final = 0.5
"""... opens this far from its close, in median ranges of the bars around it."""


def suspects(opened_at_ms_T: TimeArray, bars_T5: BarArray, interval: Interval) -> TimeArray:
    """When those open that look unclosed. `bars_T5`: of one symbol, oldest first.

    Where a market closes, its next bar always opens away from the last close: there, none is suspected.
    """
    if isinstance(interval, Sessions):
        return np.empty(0, np.int64)
    sound_T = consistent(bars_T5)
    opened_T, sound_T5 = opened_at_ms_T[sound_T], bars_T5[sound_T]
    if len(opened_T) < FEW_NEIGHBOURS:
        return np.empty(0, np.int64)
    jump_T = np.append(np.abs(np.log(sound_T5[1:, OPEN] / sound_T5[:-1, CLOSE])), 0.0)
    jump_T[:-1][np.diff(opened_T) != interval.ms] = 0.0
    range_T, volume_T = np.log(sound_T5[:, HIGH] / sound_T5[:, LOW]), sound_T5[:, VOLUME]
    # Most bars open where the last one closed, and need no look at their neighbours.
    some = np.flatnonzero(jump_T > JUMP * range_T.min())
    found = [
        place
        for place in some.tolist()
        if volume_T[place] < TINY_VOLUME * _usual(volume_T, place) and jump_T[place] > JUMP * _usual(range_T, place) > 0
    ]
    return np.asarray(opened_T[found], np.int64)


def _usual(values_T: npt.NDArray[np.float64], place: int) -> float:
    """The median around a bar; nothing is below it where too few are there."""
    around = values_T[max(0, place - NEIGHBOURS // 2) : place + NEIGHBOURS // 2 + 1]
    return float(np.median(around)) if len(around) >= FEW_NEIGHBOURS else 0.0
