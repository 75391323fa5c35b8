"""A file of bars as a panel: what a recipe asks for computed of every symbol, and the rows that may end a window.

T bars of one symbol, R rows of all, F features, N windows.
"""

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.barfile import BarFile, SymbolBars
from core.bars import Interval
from core.breadth import BREADTH, Breadth
from core.errors import ConfigError, DataError
from core.features import SETS, FeatureSet
from core.sessions import Sessions
from training import recipe
from training.data import labels
from training.data.beside import Beside
from training.data.dataset import Panel
from training.data.events import events
from training.data.market import Market
from training.data.scales import Scale
from training.data.sessions import sessions
from training.data.stretches import Grid, Rows
from training.data.volatility import BARS, volatility
from training.recipe import Recipe

OF_ALL: Final = "breadth"
"""As the name of a market: what all symbols of the recipe do together."""


def panel(file: BarFile, told: Recipe) -> Panel:
    """Compute features and labels of a file of bars as the recipe asks.

    Raises: ConfigError: an unknown feature set or label. DataError: another interval, a symbol that is not there, or no
    window unbroken.
    """
    interval = Interval.parse(told.data.interval)
    parts = _chosen(file, told.data)
    _check_interval(parts, interval)
    features = features_named(told.data.features)
    outputs = labels.outputs(told.label)
    interval = sessions(interval, list(file.symbols.values()), told=told.data.sessions)
    if told.data.scales and isinstance(interval, Sessions):
        raise ConfigError("longer bars over a venue's nights are not joined; try: --set data.scales=[]")
    grid = Grid(interval)
    runs = [grid.unbroken(part) for part in parts]
    before_R = np.concatenate([before for before, _ in runs])
    targets = [labels.targets(part.rows, told.label) for part in parts]
    beside = Beside.read(told.data)
    made = Panel(
        interval,
        features,
        told.window,
        outputs,
        tuple(part.symbol for part in parts),
        np.repeat(np.arange(len(parts), dtype=np.int32), [len(part.rows) for part in parts]),
        np.concatenate([part.opened_at_ms for part in parts]),
        np.concatenate([grid.numbers(part.opened_at_ms) for part in parts]),
        np.concatenate([part.rows for part in parts]),
        np.concatenate([_features(part, features, interval, beside) for part in parts]),
        {name: np.concatenate([one[name] for one in targets]) for name in targets[0]},
        np.concatenate([volatility(part.rows) for part in parts]),
        np.concatenate([events(part, told.loss, interval, beside) for part in parts]),
        np.clip(before_R - features.lookback + 1, 0, told.window.length),
        np.empty(0, np.int64),
        external=beside.external,
        external_fingerprint=beside.fingerprint,
    )
    chosen = features_named(told.data.scale_features) if told.data.scale_features else features
    scales = tuple(
        Scale.beside(parts, interval, Interval.parse(name), chosen, told.data.scale_length) for name in told.data.scales
    )
    made = msgspec.structs.replace(made, scales=scales, before_R=before_R)
    if told.data.market:
        made = msgspec.structs.replace(made, market=_market(file, parts, told.data, grid, made))
    return msgspec.structs.replace(made, ends_N=_ends(made, before_R, np.concatenate([after for _, after in runs])))


def _market(file: BarFile, parts: list[SymbolBars], data: recipe.Data, grid: Grid, made: Panel) -> Market:
    if data.market == OF_ALL:
        if data.market_lag < 1:
            raise ConfigError("breadth at a bar would wait for every member's bar; try: --set data.market_lag=1")
        names = [one.strip() for one in data.market_features.split(",") if one.strip() != "market_11"]
        known = Breadth(names or tuple(BREADTH))
        return Market.breadth(parts, known, grid, made.number_R, made.length, data.market_lag)
    if data.market not in file.symbols:
        there = ", ".join(list(file.symbols)[:8])
        raise DataError(
            f"the file has no bars of {data.market}, the market of the recipe; it has {there}. try: --set "
            f"data.market=SYMBOL, or data.market={OF_ALL}: what all of them do together"
        )
    series = file.symbols[data.market]
    known_series = features_named(data.market_features)
    return Market.beside(series, known_series, grid, made.number_R, made.length, data.market_lag)


def features_named(name: str) -> FeatureSet:
    """A feature set by its name, or single features by theirs, separated by commas.

    Raises: ConfigError: there is none of this name.
    """
    names = [one.strip() for one in name.split(",")]
    return FeatureSet(names) if len(names) > 1 and name not in SETS else FeatureSet.named(name)


def _features(part: SymbolBars, features: FeatureSet, interval: Interval, beside: Beside) -> npt.NDArray[np.float32]:
    """(T, F): of a symbol's bars, then what was known beside them at each close."""
    bars_TF = features.history(part.rows, part.opened_at_ms).astype(np.float32)
    return np.concatenate([bars_TF, beside.columns(part.symbol, part.opened_at_ms + interval.ms)], axis=1)


def _ends(made: Panel, before_R: Rows, after_R: Rows) -> Rows:
    """Rows that end a window, whose label is known, and that have the bars the persistence baseline looks back on."""
    least = made.window.fewest + made.features.lookback - 1
    needed = max(least, made.horizon + 1, BARS + 1)
    usable_R = (before_R >= needed) & (after_R >= made.horizon)
    if made.market is not None:
        usable_R &= made.market.row_R >= 0
    for scale in made.scales:
        usable_R &= scale.row_R >= 0
    usable_R &= np.isfinite(np.stack(list(made.targets.values()))).any(axis=0)
    ends_N = np.flatnonzero(usable_R)
    if not len(ends_N):
        raise DataError(
            f"a window needs {needed} unbroken bars (length {made.window.fewest}, features look back on "
            f"{made.features.lookback}) and {made.horizon} after it; the longest stretch has {before_R.max()}. "
            "try: more bars, --set window.length=24, or for bars with weekends --set data.sessions=true"
        )
    return ends_N


def _chosen(file: BarFile, data: recipe.Data) -> list[SymbolBars]:
    missing = [symbol for symbol in data.symbols if symbol not in file.symbols]
    if missing:
        there = ", ".join(list(file.symbols)[:8])
        raise DataError(f"the file has no bars of {', '.join(missing)}; it has {there}. try: --set data.symbols=[]")
    return [file.symbols[symbol] for symbol in data.symbols or [one for one in file.symbols if one != data.market]]


def _check_interval(parts: list[SymbolBars], interval: Interval) -> None:
    steps = np.concatenate([np.diff(part.opened_at_ms) for part in parts])
    if len(steps) and not (steps == interval.ms).any():
        usual = int(np.median(steps)) / 60_000
        raise DataError(
            f"the recipe is for {interval.name} bars, those of the file are {usual:g} minutes apart. "
            "try: --set data.interval=NAME, or another file"
        )
