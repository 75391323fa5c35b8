"""Single predictions worth a look: right and wrong ones, sure and unsure ones, calm and volatile ones.

N predictions, T steps, F features; R steps of a window are there.
"""

from datetime import UTC, datetime
from typing import Final

import msgspec
import numpy as np

from core import attention
from core.bars import CLOSE
from core.errors import DataError
from core.outputs import Kind
from training.data.dataset import Samples
from training.explain.attribution import Forecast, occlude_cells
from training.explain.predictions import Look, Predictions
from training.explain.reads import Doubles, Floats
from training.explain.upward import CHANCES

TOP_STEPS: Final = 5
TOP_FEATURES: Final = 3

Bools = np.typing.NDArray[np.bool_]


class Shown(msgspec.Struct, frozen=True):
    """A feature at a step: its value, and how many deviations it is from its mean over these windows."""

    name: str
    value: float
    deviations: float


class TopStep(msgspec.Struct, frozen=True):
    """A step with much weight: when its bar opened, and the features that were least usual there."""

    bars_ago: int
    opened_at: str
    weight: float
    lift: float
    features: tuple[Shown, ...]


class Importance(msgspec.Struct, frozen=True):
    """A feature's mean distance from usual, weighted by attention; `lift`: over its even mean."""

    rank: int
    name: str
    importance: float
    lift: float


class CaseLook(msgspec.Struct, frozen=True):
    """Where one attention lay in one prediction. `place`: the number of the input looked at."""

    attention: str
    place: int
    pattern: str
    entropy: float
    mean_weight: float
    max_weight: float
    concentration_factor: float
    top: tuple[TopStep, ...]
    features: tuple[Importance, ...]
    weights: tuple[float, ...]


class Case(msgspec.Struct, frozen=True):
    """One prediction, told whole. `forecast` and `outcome` have the output's unit.

    `occlusion`: of each input, (R, F), what the forecast loses without each cell.
    """

    kinds: tuple[str, ...]
    symbol: str
    opened_at: str
    said: str
    told: str
    """The forecast in words: "probability 0.734", "+0.0012"."""
    came: str
    """What came in words; empty where that is not known."""
    forecast: float
    confidence: float
    outcome: float | None
    correct: bool | None
    volatility: float
    looks: tuple[CaseLook, ...]
    occlusion: tuple[tuple[tuple[float, ...], ...], ...]
    row: int
    folder: str


def truths(of: Predictions) -> dict[str, Bools]:
    """True and false, positive and negative; a bar after which nothing moved is none of them."""
    up, rose, fell = of.forecast_N > 0, of.outcome_N > 0, of.outcome_N < 0
    return {
        "true positive": up & rose,
        "true negative": ~up & fell,
        "false positive": up & fell,
        "false negative": ~up & rose,
    }


def volatility(of: Predictions) -> Doubles:
    """(N,): deviation of the log returns of the close within each window."""
    panel, length = of.panel, of.panel.length
    moved_R = np.diff(np.log(panel.bars_R5[:, CLOSE]), prepend=np.nan)
    back_T = np.arange(length - 2, -1, -1)
    deviations = np.empty(len(of))
    for at in range(0, len(of), 4_096):
        ends_n = of.samples.ends_N[at : at + 4_096]
        there_nT = back_T < panel.reach_R[ends_n][:, None] - 1
        moved_nT = moved_R[np.maximum(ends_n[:, None] - back_T, 0)]
        deviations[at : at + 4_096] = moved_nT.std(axis=1, where=there_nT)
    return deviations


def choose(of: Predictions, volatility_N: Doubles, asked: int | None) -> list[tuple[int, tuple[str, ...]]]:
    """Rows of predictions and why each was chosen, the one that was asked for first."""
    kinds: dict[int, list[str]] = {} if asked is None else {asked: ["asked for"]}
    sure_N = of.confidence_N
    for kind, mask_N in truths(of).items():
        if mask_N.any():
            kinds.setdefault(int(np.where(mask_N, sure_N, -1.0).argmax()), []).append(kind)
    for kind, row in (
        ("most confident", sure_N.argmax()),
        ("least confident", sure_N.argmin()),
        ("calmest", volatility_N.argmin()),
        ("most volatile", volatility_N.argmax()),
    ):
        kinds.setdefault(int(row), []).append(kind)
    return [(row, tuple(names)) for row, names in kinds.items()]


def tell(of: Predictions, row: int, kinds: tuple[str, ...], volatility: float, forecast: Forecast) -> Case:
    """Everything that is said of one prediction."""
    x = of.reads(np.array([row]))
    opened_at, outcome = int(of.samples.opened_at_ms[row]), float(of.outcome_N[row])
    known = np.isfinite(outcome)
    symbol = of.symbol(row)
    lost = [occlude_cells(forecast, x, of.usual, place)[-of.reach(row, place) :] for place in range(len(x))]
    return Case(
        kinds,
        symbol,
        iso(opened_at),
        direction(of, float(of.forecast_N[row])),
        *_in_words(of, row),
        float(of.forecast_N[row]),
        float(of.confidence_N[row]),
        outcome if known else None,
        bool(of.right[row]) if known else None,
        volatility,
        tuple(_look(of, look, row) for look in of.looks),
        tuple(tuple(map(tuple, lost_RF.tolist())) for lost_RF in lost),
        row,
        f"{kinds[0].replace(' ', '_')}_{symbol}_{iso(opened_at).replace(':', '').replace('-', '')}",
    )


def _in_words(of: Predictions, row: int) -> tuple[str, str]:
    value, outcome, known = of.forecast_N[row], of.outcome_N[row], np.isfinite(of.outcome_N[row])
    if of.output.kind in CHANCES:
        happened = ("yes" if outcome > 0 else "no") if of.output.kind is Kind.PROBABILITY else f"{outcome:+.3g}"
        return f"probability {value + 0.5:.3f}", happened if known else ""
    return f"{value:+.3g}", f"{outcome:+.3g}" if known else ""


def _look(of: Predictions, look: Look, row: int) -> CaseLook:
    steps = of.reach(row, look.place)
    weights_R = look.profile_NT[row, -steps:]
    x_RF: Floats = of.window(row, look.place)
    names = of.names(look.place)
    away_RF = (x_RF - of.usual[look.place]) / of.spread[look.place]
    times_R = of.times(row, look.place)
    top = []
    for step in attention.top_steps(weights_R, TOP_STEPS).tolist():
        ago = steps - 1 - step
        largest = np.argsort(-np.abs(away_RF[step]), kind="stable")[:TOP_FEATURES]
        shown = tuple(Shown(names[f], float(x_RF[step, f]), float(away_RF[step, f])) for f in largest)
        weight = float(weights_R[step])
        top.append(TopStep(ago, iso(int(times_R[step])), weight, weight * steps, shown))
    return CaseLook(
        look.attention.name,
        look.place,
        str(attention.patterns(weights_R[None])[0]),
        float(attention.normalised_entropy(weights_R[None])[0]),
        1 / steps,
        float(weights_R.max()),
        float(attention.concentration_factor(weights_R[None])[0]),
        tuple(top),
        importances(names, weights_R[None].astype(np.float64), away_RF[None].astype(np.float64)),
        tuple(weights_R.tolist()),
    )


def importances(
    names: tuple[str, ...], weights_NT: Doubles, away_NTF: Doubles, even_NT: Floats | None = None
) -> tuple[Importance, ...]:
    """Every feature by its mean |deviations| weighted by attention, largest first; `even_NT`: else 1/T each."""
    size_NTF = np.abs(away_NTF)
    even_NT = np.full(weights_NT.shape, 1 / weights_NT.shape[1]) if even_NT is None else even_NT
    weighted_F = (weights_NT[..., None] * size_NTF).sum(axis=1).mean(axis=0)
    even_F = (even_NT[..., None] * size_NTF).sum(axis=1).mean(axis=0)
    lift_F = np.divide(weighted_F, even_F, out=np.ones(len(even_F)), where=even_F > 0)
    order = np.argsort(-weighted_F, kind="stable").tolist()
    return tuple(Importance(rank, names[f], float(weighted_F[f]), float(lift_F[f])) for rank, f in enumerate(order, 1))


def direction(of: Predictions, value: float) -> str:
    """The forecast as a word."""
    words = ("yes", "no") if of.output.kind is Kind.PROBABILITY else ("up", "down")
    return words[0] if value > 0 else words[1]


def iso(at_ms: int) -> str:
    """An instant as 2024-05-20T13:00Z."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%MZ")


def parse_time(text: str) -> int:
    """Milliseconds of an instant; one without a zone is UTC.

    Raises: DataError: not a time.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise DataError(f"{text!r} is no time; try: --at 2024-05-20T13:00Z, the last bar's opening") from error
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1_000)


def with_asked(samples: Samples, symbol: str, at_ms: int) -> tuple[Samples, int]:
    """The windows with the one that ends at this bar of this symbol among them, and its row.

    Its outcome may lie ahead of the file. Raises: DataError: no such symbol, or no whole window that ends there.
    """
    panel = samples.panel
    if symbol not in panel.symbols:
        raise DataError(f"the file has no bars of {symbol}; it has {', '.join(panel.symbols[:8])}. try: --symbol")
    of_symbol = panel.symbol_R == panel.symbols.index(symbol)
    rows = np.flatnonzero(of_symbol & (panel.opened_at_ms_R == at_ms))
    if not len(rows) or not _whole(samples, int(rows[0])):
        times = panel.opened_at_ms_R[np.intersect1d(panel.ends_N, np.flatnonzero(of_symbol))]
        near = f"the nearest is {iso(int(times[np.abs(times - at_ms).argmin()]))}" if len(times) else "it has none"
        raise DataError(f"{symbol} has no whole window that ends with the bar of {iso(at_ms)}; {near}. try: --at")
    ends_N = np.union1d(samples.ends_N, rows)
    ends_N = ends_N[np.lexsort((ends_N, panel.opened_at_ms_R[ends_N]))]
    return Samples(panel, ends_N), int(np.flatnonzero(ends_N == rows[0])[0])


def _whole(samples: Samples, end: int) -> bool:
    panel, rows = samples.panel, int(samples.panel.reach_R[end])
    beside = [one.row_R for one in panel.scales] + ([] if panel.market is None else [panel.market.row_R])
    if rows < panel.window.fewest or any(row_R[end] < 0 for row_R in beside):
        return False
    return bool(np.isfinite(panel.features_RF[end - rows + 1 : end + 1]).all())
