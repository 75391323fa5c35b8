"""Single predictions worth a look: right and wrong ones, sure and unsure ones, calm and volatile ones.

N predictions, T steps, F features.
"""

from datetime import UTC, datetime
from typing import Final

import msgspec
import numpy as np

from core import attention
from core.bars import CLOSE
from core.errors import DataError
from core.outputs import Kind
from training.dataset import Samples
from training.explain.attribution import Forecast, occlude_cells
from training.explain.predictions import Doubles, Look, Predictions

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
    """Where one attention lay in one prediction."""

    attention: str
    pattern: str
    entropy: float
    mean_weight: float
    max_weight: float
    concentration_factor: float
    top: tuple[TopStep, ...]
    features: tuple[Importance, ...]
    weights: tuple[float, ...]


class Case(msgspec.Struct, frozen=True):
    """One prediction, told whole. `forecast`, `outcome` and `occlusion` (T, F) are in the output's unit."""

    kinds: tuple[str, ...]
    symbol: str
    opened_at: str
    said: str
    forecast: float
    confidence: float
    outcome: float | None
    correct: bool | None
    volatility: float
    looks: tuple[CaseLook, ...]
    occlusion: tuple[tuple[float, ...], ...]
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
    close_RT = np.lib.stride_tricks.sliding_window_view(np.log(of.panel.bars_R5[:, CLOSE]), of.panel.length)
    first_N = of.samples.ends_N - of.panel.length + 1
    deviations = np.empty(len(of))
    for at in range(0, len(of), 4_096):
        deviations[at : at + 4_096] = np.diff(close_RT[first_N[at : at + 4_096]], axis=1).std(axis=1)
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
    x_TF = of.features(np.array([row]))[0]
    opened_at, outcome = int(of.samples.opened_at_ms[row]), float(of.outcome_N[row])
    known = np.isfinite(outcome)
    symbol = of.symbol(row)
    return Case(
        kinds,
        symbol,
        iso(opened_at),
        direction(of, float(of.forecast_N[row])),
        float(of.forecast_N[row]),
        float(of.confidence_N[row]),
        outcome if known else None,
        bool(of.right[row]) if known else None,
        volatility,
        tuple(_look(of, look, row, x_TF) for look in of.looks),
        tuple(map(tuple, occlude_cells(forecast, x_TF, of.usual_F).tolist())),
        row,
        f"{kinds[0].replace(' ', '_')}_{symbol}_{iso(opened_at).replace(':', '').replace('-', '')}",
    )


def _look(of: Predictions, look: Look, row: int, x_TF: np.typing.NDArray[np.float32]) -> CaseLook:
    weights_T = look.profile_NT[row]
    steps = len(weights_T)
    names = of.panel.features.names
    away_TF = (x_TF - of.usual_F) / of.spread_F
    times_T = of.times(row)
    top = []
    for step in attention.top_steps(weights_T, TOP_STEPS).tolist():
        ago = steps - 1 - step
        largest = np.argsort(-np.abs(away_TF[step]), kind="stable")[:TOP_FEATURES]
        shown = tuple(Shown(names[f], float(x_TF[step, f]), float(away_TF[step, f])) for f in largest)
        weight = float(weights_T[step])
        top.append(TopStep(ago, iso(int(times_T[step])), weight, weight * steps, shown))
    return CaseLook(
        look.attention.name,
        str(attention.patterns(weights_T[None])[0]),
        float(attention.normalised_entropy(weights_T[None])[0]),
        1 / steps,
        float(weights_T.max()),
        float(attention.concentration_factor(weights_T[None])[0]),
        tuple(top),
        importances(names, weights_T[None].astype(np.float64), away_TF[None].astype(np.float64)),
        tuple(weights_T.tolist()),
    )


def importances(names: tuple[str, ...], weights_NT: Doubles, away_NTF: Doubles) -> tuple[Importance, ...]:
    """Every feature by its mean |deviations| weighted by attention, largest first."""
    size_NTF = np.abs(away_NTF)
    weighted_F = (weights_NT[..., None] * size_NTF).sum(axis=1).mean(axis=0)
    even_F = size_NTF.mean(axis=(0, 1))
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
    panel, first = samples.panel, end - samples.panel.bars_needed + 1
    if first < 0 or panel.symbol_R[first] != panel.symbol_R[end]:
        return False
    unbroken = (np.diff(panel.number_R[first : end + 1]) == 1).all()
    return bool(unbroken and np.isfinite(panel.features_RF[end - panel.length + 1 : end + 1]).all())
