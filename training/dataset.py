"""Bars as windows of features: one buffer for all symbols, and the rows at which a whole window ends.

R rows (bars of all symbols, one symbol after the other), T steps, F features, N windows. A window is a view into the
buffer: rows end - T + 1 to end. Nothing is copied until a batch is cut.
"""

import msgspec
import numpy as np
import numpy.typing as npt

from core.barfile import BarFile, SymbolBars
from core.bars import CLOSE, HIGH, LOW, OPEN, VOLUME, BarArray, Interval, TimeArray
from core.bundle import Input, Window
from core.errors import DataError
from core.features import SETS, FeatureSet
from core.outputs import Output
from training import labels
from training.recipe import Recipe

Rows = npt.NDArray[np.int64]


class Panel(msgspec.Struct, frozen=True):
    """All bars of a file, their features and labels. `ends_N`: rows that end a whole window with a known label."""

    interval: Interval
    features: FeatureSet
    length: int
    outputs: tuple[Output, ...]
    symbols: tuple[str, ...]
    symbol_R: npt.NDArray[np.int32]
    opened_at_ms_R: TimeArray
    bars_R5: BarArray
    features_RF: npt.NDArray[np.float32]
    targets: dict[str, npt.NDArray[np.float64]]
    ends_N: Rows

    @property
    def bars_needed(self) -> int:
        """Bars a window is made of: its rows and what the first of them looks back on."""
        return self.length + self.features.lookback - 1

    @property
    def horizon(self) -> int:
        """The furthest bar ahead that a label looks at."""
        return max(output.horizon for output in self.outputs)

    @property
    def input(self) -> Input:
        """What a model of these windows reads, as a bundle says it."""
        window = Window("rolling", self.length, self.length)
        return Input("features", "symbol", self.features.names, self.features.digest, self.features.lookback, window)


class Samples(msgspec.Struct, frozen=True):
    """Some windows of a panel, by the rows they end at."""

    panel: Panel
    ends_N: Rows

    def __len__(self) -> int:
        """How many windows."""
        return len(self.ends_N)

    @property
    def opened_at_ms(self) -> TimeArray:
        """When the last bar of each window opened."""
        return self.panel.opened_at_ms_R[self.ends_N]

    @property
    def span(self) -> tuple[int, int]:
        """Opening times of the first bar that any window or feature reads and of the last that any label reads."""
        times_N, step = self.opened_at_ms, self.panel.interval.ms
        first = int(times_N.min()) - (self.panel.bars_needed - 1) * step
        return first, int(times_N.max()) + self.panel.horizon * step

    def target(self, output: Output) -> npt.NDArray[np.float64]:
        """(N,) or (N, width): what came to be."""
        return self.panel.targets[output.name][self.ends_N]

    def feature_rows(self) -> npt.NDArray[np.float32]:
        """(rows, F): every feature row that lies in some window, once."""
        covered_R = np.zeros(len(self.panel.features_RF) + 1, np.int64)
        np.add.at(covered_R, self.ends_N - self.panel.length + 1, 1)
        np.add.at(covered_R, self.ends_N + 1, -1)
        return self.panel.features_RF[covered_R[:-1].cumsum() > 0]

    def bars(self, which: Rows) -> BarArray:
        """(n, K+T-1, 5): the bars of some windows, oldest first, as the daemon would hold them."""
        back = np.arange(self.panel.bars_needed - 1, -1, -1)
        return np.asarray(self.panel.bars_R5[self.ends_N[which][:, None] - back])


def panel(file: BarFile, recipe: Recipe) -> Panel:
    """Compute features and labels of a file of bars as the recipe asks.

    Raises: ConfigError: an unknown feature set or label. DataError: another interval, a symbol that is not there, or no
    window unbroken.
    """
    interval = Interval.parse(recipe.data.interval)
    parts = _chosen(file, recipe.data.symbols)
    _check_interval(parts, interval)
    features = FeatureSet.named(recipe.data.features) if recipe.data.features in SETS else _listed(recipe)
    outputs = labels.outputs(recipe.label.kind, recipe.label.horizons)
    values = labels.named(recipe.label.kind).values
    targets = {output.name: np.concatenate([values(part.rows, output.horizon) for part in parts]) for output in outputs}
    runs = [_unbroken(part, interval) for part in parts]
    made = Panel(
        interval,
        features,
        recipe.window.length,
        outputs,
        tuple(part.symbol for part in parts),
        np.repeat(np.arange(len(parts), dtype=np.int32), [len(part.rows) for part in parts]),
        np.concatenate([part.opened_at_ms for part in parts]),
        np.concatenate([part.rows for part in parts]),
        np.concatenate([features.history(part.rows, part.opened_at_ms).astype(np.float32) for part in parts]),
        targets,
        np.empty(0, np.int64),
    )
    # A window also needs the bars that the persistence baseline looks back on.
    needed = max(made.bars_needed, made.horizon + 1)
    whole_R = np.concatenate([before for before, _ in runs]) >= needed
    known_R = np.concatenate([after for _, after in runs]) >= made.horizon
    ends_N = np.flatnonzero(whole_R & known_R)
    if not len(ends_N):
        longest = max(int(before.max(initial=0)) for before, _ in runs)
        raise DataError(
            f"a window needs {needed} unbroken bars (length {made.length}, features look back on "
            f"{features.lookback}) and {made.horizon} after it; the longest stretch has {longest}. "
            "try: more bars, or --set window.length=24"
        )
    return msgspec.structs.replace(made, ends_N=ends_N)


def _listed(recipe: Recipe) -> FeatureSet:
    """A feature set by its name, or single features by theirs, separated by commas."""
    names = [name.strip() for name in recipe.data.features.split(",")]
    return FeatureSet(names) if len(names) > 1 else FeatureSet.named(names[0])


def _chosen(file: BarFile, symbols: tuple[str, ...]) -> list[SymbolBars]:
    missing = [symbol for symbol in symbols if symbol not in file.symbols]
    if missing:
        there = ", ".join(list(file.symbols)[:8])
        raise DataError(f"the file has no bars of {', '.join(missing)}; it has {there}. try: --set data.symbols=[]")
    return [file.symbols[symbol] for symbol in symbols or file.symbols]


def _check_interval(parts: list[SymbolBars], interval: Interval) -> None:
    steps = np.concatenate([np.diff(part.opened_at_ms) for part in parts])
    if len(steps) and not (steps == interval.ms).any():
        usual = int(np.median(steps)) / 60_000
        raise DataError(
            f"the recipe is for {interval.name} bars, those of the file are {usual:g} minutes apart. "
            "try: --set data.interval=NAME, or another file"
        )


def _unbroken(part: SymbolBars, interval: Interval) -> tuple[Rows, Rows]:
    """(T,) and (T,): consecutive good bars that end at each bar, itself included, and those that follow it."""
    good_T = _consistent(part.rows)
    joined_T = np.zeros(len(good_T), bool)
    joined_T[1:] = good_T[1:] & good_T[:-1] & (np.diff(part.opened_at_ms) == interval.ms)
    position_T = np.arange(len(good_T))
    start_T = np.maximum.accumulate(np.where(joined_T, 0, position_T))
    last_T = np.where(np.append(joined_T[1:], False), len(good_T), position_T)
    last_T = np.minimum.accumulate(last_T[::-1])[::-1]
    return np.where(good_T, position_T - start_T + 1, 0), last_T - position_T


def _consistent(bars_T5: BarArray) -> npt.NDArray[np.bool_]:
    """(T, 5) -> (T,). As core.bars.inconsistency: a bar the daemon would refuse breaks a window here too."""
    body_low = np.minimum(bars_T5[:, OPEN], bars_T5[:, CLOSE])
    body_high = np.maximum(bars_T5[:, OPEN], bars_T5[:, CLOSE])
    ordered = (bars_T5[:, LOW] <= body_low) & (bars_T5[:, HIGH] >= body_high)
    positive = (bars_T5[:, LOW] > 0) & (bars_T5[:, VOLUME] >= 0)
    return np.isfinite(bars_T5).all(axis=1) & ordered & positive
