"""May this attention be read as an explanation? Steps it looks at are taken away, and steps it does not.

Deletion, comprehensiveness and sufficiency as in ERASER (DeYoung et al. 2020), each beside two yardsticks: as many
steps by chance, and the steps that another prediction looked at. N predictions, T steps, K counts of steps.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core import attention
from core.reach import over
from training.data.dataset import spread
from training.explain.attribution import OCCLUDED, Forecast, occlude_steps, without
from training.explain.estimate import Estimate
from training.explain.predictions import Predictions, Watch
from training.explain.reads import Doubles, Floats, Reads, Rows

PREDICTIONS: Final = 240
FEWEST: Final = 60
CHEAP: Final = 30_000_000
"""Weights times steps, beyond which a model's windows cost so much that fewer predictions are tested."""
BATCH: Final = 20
SHIFTS: Final = 4
"""An LSTM's hidden state knows the steps before it: attention may lie up to this many less one after what matters."""
EVEN: Final = 0.05
"""Attention of which less would have to move to be even tells nothing. Up to attention.EVEN it tells little."""
AGREES: Final = 0.3
"""Mean rank correlation with occlusion from which attention is said to agree with it."""
WAYS: Final = ("attention", "another's attention", "chance", "least attention")


class Curve(msgspec.Struct, frozen=True):
    """How far the forecast moves on average, in deviations of the forecasts, when `counts` steps are taken away."""

    way: str
    moved: tuple[float, ...]


class Reliability(msgspec.Struct, frozen=True):
    """What taking steps away tells. Moves are in deviations of the forecasts; `count` steps are about a tenth.

    `weight`: what the `count` heaviest steps hold; even attention gives them `even_weight`.
    """

    predictions: int
    count: int
    weight: Estimate
    even_weight: float
    counts: tuple[int, ...]
    deletion: tuple[Curve, ...]
    sufficiency: tuple[Curve, ...]
    comprehensiveness: Estimate
    over_chance: Estimate
    over_another: Estimate
    agreement: Estimate
    agreement_by_shift: tuple[float, ...]
    best_shift: int
    verdict: str
    sentence: str


class Tested(msgspec.Struct, frozen=True):
    """The predictions that were tested, what was read, and what each forecast loses without each step of each input."""

    rows: Rows
    x: Reads
    occlusion: tuple[Doubles, ...]
    forecast: Forecast


def prepare(of: Predictions, forecast: Forecast, watch: Watch) -> Tested:
    """Occlude every step of some predictions, spread evenly over time."""
    rows = spread(len(of), affordable(of))
    x = of.reads(rows)
    parts: list[list[Doubles]] = [[] for _ in x]
    for at in range(0, len(rows), BATCH):
        some = tuple(one[at : at + BATCH] for one in x)
        for place, lost in enumerate(parts):
            lost.append(occlude_steps(forecast, some, of.usual, place))
        watch(min(1.0, (at + BATCH) / len(rows)))
    return Tested(rows, x, tuple(np.concatenate(lost) for lost in parts), forecast)


def affordable(of: Predictions) -> int:
    """How many predictions are tested: each takes hundreds of windows, so of a wide network fewer."""
    model = of.subject.model
    cost = of.panel.length * sum(weights.numel() for weights in model.parameters()) if model is not None else 0
    return PREDICTIONS if cost <= CHEAP else max(FEWEST, PREDICTIONS * CHEAP // cost)


def judge(of: Predictions, weights: Floats, tested: Tested, place: int = 0) -> Reliability:
    """Take steps of an input away in the order of (N, T) weights and of the yardsticks, and say what follows."""
    weights_NT = weights[tested.rows]
    steps = weights_NT.shape[1]
    lacking_NT = np.asarray(np.isnan(tested.x[place]).any(axis=-1))
    there_N = steps - lacking_NT.sum(axis=1)
    counts = tuple(sorted({*(round(steps * share) for share in (0.05, 0.1, 0.2, 0.3, 0.5, 0.75)), 1} - {0}))
    count = max(1, round(steps / 10))
    scale = float(of.forecast_N.std()) or 1.0
    orders = _orders(weights_NT, lacking_NT)
    gone = {way: _moves(of, tested, place, order, counts, scale, keep=False) for way, order in orders.items()}
    left = {way: _moves(of, tested, place, order, counts, scale, keep=True) for way, order in orders.items()}
    at = counts.index(count)
    draws = of.draws(tested.rows)
    own, other, chance = (gone[way][:, at] for way in WAYS[:3])
    shown_NT = np.where(lacking_NT, np.nan, weights_NT)
    by_shift = [
        rank_correlation(shown_NT[:, shift:], tested.occlusion[place][:, : steps - shift]) for shift in _shifts(steps)
    ]
    best = int(np.argmax([values.mean() for values in by_shift]))
    over_chance, over_another = draws.mean(own - chance), draws.mean(own - other)
    agreement, shown = draws.mean(by_shift[best]), draws.mean(over(attention.displaced, weights_NT, there_N))
    verdict = _verdict(shown, over_chance, over_another, agreement)
    held_N = np.sort(weights_NT, axis=1)[:, -count:].sum(axis=1, dtype=np.float64)
    held = draws.mean(np.asarray(held_N))
    even = float(np.minimum(count / there_N, 1.0).mean())
    taken = _taken(count, held.value, even, (float(one.mean()) for one in (own, chance, other)))
    return Reliability(
        len(tested.rows),
        count,
        held,
        even,
        counts,
        tuple(Curve(way, tuple(moved.mean(axis=0).tolist())) for way, moved in gone.items()),
        tuple(Curve(way, tuple(moved.mean(axis=0).tolist())) for way, moved in left.items()),
        draws.mean(own),
        over_chance,
        over_another,
        agreement,
        tuple(float(values.mean()) for values in by_shift),
        best,
        verdict,
        _sentence(verdict, taken, shown, agreement, best),
    )


def _shifts(steps: int) -> range:
    return range(min(SHIFTS, steps // 2))


def _orders(weights_NT: Floats, lacking_NT: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[np.int64]]:
    """(N, T) each: the steps in the order in which they are taken away; those that are not there last."""
    rows, steps = weights_NT.shape
    own = attention.top_steps(weights_NT, steps)
    drawn = np.random.default_rng(0)
    chance = np.argsort(drawn.random((rows, steps)), axis=1)
    # Half the predictions away, another's window shares no bar with this one, or few.
    another = np.roll(own, rows // 2, axis=0)
    orders = (own, another, chance, own[:, ::-1])
    return {way: _there_first(order, lacking_NT) for way, order in zip(WAYS, orders, strict=True)}


def _there_first(order_NT: npt.NDArray[np.int64], lacking_NT: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    last_NT = np.take_along_axis(lacking_NT, order_NT, axis=1)
    return np.take_along_axis(order_NT, np.argsort(last_NT, axis=1, kind="stable"), axis=1)


def _moves(
    of: Predictions,
    tested: Tested,
    place: int,
    order: npt.NDArray[np.int64],
    counts: tuple[int, ...],
    scale: float,
    *,
    keep: bool,
) -> Doubles:
    """(N, K): how far the forecast moves without the first k steps of the order, or with nothing but them."""
    told_N = tested.forecast(tested.x)
    rank_NT = np.argsort(order, axis=1)
    moved = []
    for count in counts:
        gone = (rank_NT >= count) if keep else (rank_NT < count)
        moved.append(np.abs(told_N - tested.forecast(without(tested.x, gone, of.usual, place))) / scale)
    return np.stack(moved, axis=1)


def rank_correlation(weights: Floats, lost: Doubles) -> Doubles:
    """(N, T) twice -> (N,). Spearman's correlation of attention with the size of what is lost; 0 where one is flat.

    Steps whose weight is NaN are not there. Of long windows neighbouring steps were occluded together: they are one.
    """
    stretch = -(-weights.shape[1] // OCCLUDED)
    first, second = _ranks(_joined(weights.astype(np.float64), stretch)), _ranks(_joined(np.abs(lost), stretch))
    second = np.where(np.isnan(first), np.nan, second)
    first = np.nan_to_num(first - np.nanmean(first, axis=1, keepdims=True))
    second = np.nan_to_num(second - np.nanmean(second, axis=1, keepdims=True))
    size = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return np.asarray(np.divide((first * second).sum(axis=1), size, out=np.zeros(len(size)), where=size > 0))


def _joined(values_NT: Doubles, stretch: int) -> Doubles:
    """(N, T) -> (N, T / stretch), the newest steps first to be joined."""
    steps = values_NT.shape[1] // stretch * stretch
    return np.asarray(values_NT[:, -steps:].reshape(len(values_NT), -1, stretch).mean(axis=2))


def _ranks(values_NT: Doubles) -> Doubles:
    """(N, T) -> (N, T). Ranks, equal values sharing theirs; NaN has none."""
    below = (values_NT[:, None, :] < values_NT[:, :, None]).sum(axis=2)
    equal = (values_NT[:, None, :] == values_NT[:, :, None]).sum(axis=2)
    return np.where(np.isnan(values_NT), np.nan, below + (equal - 1) / 2)


def _verdict(shown: Estimate, over_chance: Estimate, over_another: Estimate, agreement: Estimate) -> str:
    if shown.value < EVEN:
        return "nothing to read"
    if not over_chance.above_zero:
        return "no"
    if not over_another.above_zero:
        return "only on average"
    return "yes" if (agreement.low or 0.0) >= AGREES and shown.value > attention.EVEN else "with care"


def _taken(count: int, weight: float, even: float, moves: Iterator[float]) -> str:
    own, chance, other = moves
    bars = "the bar" if count == 1 else f"the {count} bars"
    return (
        f"taking away {bars} with most weight ({100 * weight:.0f} % of it, evenly {100 * even:.0f} %) "
        f"moves a forecast by {own:.2f} deviations of the forecasts; as many by chance move it by {chance:.2f}, those "
        f"that another prediction looked at by {other:.2f}"
    )


def _sentence(verdict: str, taken: str, shown: Estimate, agreement: Estimate, shift: int) -> str:
    back = f" when it is read {shift} bar{'s' if shift > 1 else ''} back" if shift else ""
    agrees = f"its rank correlation with occlusion is {agreement.told()}{back}"
    near = "its order points at what the model uses, but it is nearly even, so its sizes do not say how much"
    care = near if shown.value <= attention.EVEN else f"but {agrees}"
    usual = "This attention tells where the model usually looks, not what decided one forecast"
    return {
        "nothing to read": "This attention is uniform: there is nothing to read in it.",
        "no": f"This attention must not be read as an explanation: {taken}.",
        "only on average": f"{usual}: {taken}.",
        "with care": f"This attention may be read as an explanation with care: {taken}; {care}.",
        "yes": f"This attention may be read as an explanation of what the model uses: {taken}; {agrees}.",
    }[verdict]
