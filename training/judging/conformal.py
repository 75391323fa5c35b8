"""Margins of stated coverage: split-conformal prediction on the validation part (Vovk, Gammerman, Shafer 2005).

How far outcomes lay from what the model said there, in order of size, gives the margin at each coverage. The promise
holds for outcomes that could have come in any order; markets change, so `gaze evaluate` counts what was held. Margins
of quantiles are those of conformalised quantile regression (Romano, Patterson, Candes 2019). N samples, W numbers.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from core.bands import Margin, beyond, edges
from core.outputs import Output
from training.data.dataset import Samples

Floats = npt.NDArray[np.float64]
Said = Mapping[str, npt.NDArray[np.float32]]


def margins(outputs: Sequence[Output], said: Said, samples: Samples, coverages: Sequence[float]) -> tuple[Margin, ...]:
    """The margins of every output, at each coverage that so many outcomes can give."""
    found = []
    for output in outputs:
        known_N = np.isfinite(samples.target(output))
        beyond_N = beyond(output, said[output.name][known_N], samples.target(output)[known_N])
        for coverage in sorted(coverages):
            value = margin(beyond_N, coverage)
            if math.isfinite(value):
                found.append(Margin(output.name, coverage, value, len(beyond_N)))
    return tuple(found)


def margin(beyond_N: Floats, coverage: float) -> float:
    """The smallest of N distances that holds the next outcome with this chance: the ceil((N + 1) coverage)-th.

    Endless where so few say nothing of so much.
    """
    place = math.ceil((len(beyond_N) + 1) * coverage)
    return float(np.sort(beyond_N)[place - 1]) if place <= len(beyond_N) else math.inf


def held(output: Output, said_NW: npt.NDArray[np.floating], actual_N: Floats, value: float) -> npt.NDArray[np.bool_]:
    """(N,): whether the band of this margin holds what came to be."""
    low_N, high_N = edges(output, said_NW, value)
    return np.asarray((actual_N >= low_N) & (actual_N <= high_N))
