"""What was said beside how often it came: curves of probabilities and of the levels of quantiles. N samples."""

import msgspec
import numpy as np
import numpy.typing as npt

from core.outputs import Kind, Output
from training.judging.intervals import Bootstrap
from training.judging.scores import CALIBRATION, EVENTS

Floats = npt.NDArray[np.float64]


class Point(msgspec.Struct, frozen=True):
    """Of `windows` windows of which `said` was said on average, `came` is the share of which it came."""

    said: float
    came: float
    low: float
    high: float
    windows: int


class Curve(msgspec.Struct, frozen=True):
    """Calibration of one predictor of one output: on the diagonal what is said comes as often as it is said."""

    output: str
    predictor: str
    points: tuple[Point, ...]


def curve(
    output: Output,
    predictor: str,
    predicted_N: Floats,
    actual_N: Floats,
    block_N: npt.NDArray[np.int64],
    draws: Bootstrap,
) -> Curve | None:
    """The curve of an event's probability in ten bins, or of each quantile's level; None of another kind."""
    if output.kind is Kind.QUANTILES:
        below_NW = (actual_N[:, None] <= predicted_N).astype(np.float64)
        said_NW = np.broadcast_to(np.array(output.levels), below_NW.shape)
        columns = [(said_NW[:, place], below_NW[:, place], block_N) for place in range(output.width)]
    elif output.kind in EVENTS:
        bin_N = np.minimum((predicted_N * CALIBRATION).astype(np.int64), CALIBRATION - 1)
        columns = [(predicted_N[bin_N == at], actual_N[bin_N == at], block_N[bin_N == at]) for at in range(CALIBRATION)]
    else:
        return None
    return Curve(output.name, predictor, tuple(_point(*column, draws) for column in columns if len(column[0])))


def _point(said_N: Floats, came_N: Floats, block_N: npt.NDArray[np.int64], draws: Bootstrap) -> Point:
    sums_B2 = np.stack([np.bincount(block_N, of_N, draws.blocks) for of_N in (came_N, np.ones(len(came_N)))], axis=1)
    sums_D2 = draws.times_DB @ sums_B2
    with np.errstate(invalid="ignore", divide="ignore"):
        share_D = sums_D2[:, 0] / sums_D2[:, 1]
    low, high = np.clip(draws.bounds(share_D), 0.0, 1.0)
    return Point(float(said_N.mean()), float(share_D[0]), float(low), float(high), len(said_N))
