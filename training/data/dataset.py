"""Bars as windows of features: one buffer for all symbols, and the rows at which a whole window ends.

R rows (bars of all symbols, one symbol after the other), T steps, F features, N windows. A window is a view into the
buffer: rows end - T + 1 to end. Nothing is copied until a batch is cut.
"""

from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.bars import BarArray, Interval, TimeArray
from core.bundle import Input, Window
from core.external import External
from core.features import FeatureSet
from core.outputs import Output
from core.sessions import Sessions, Stretch
from training import recipe
from training.data.market import Market
from training.data.scales import Scale
from training.data.stretches import Rows

_GOLDEN: Final = (5**0.5 - 1) / 2


class Panel(msgspec.Struct, frozen=True):
    """All bars of a file, their features and labels. `ends_N`: rows that end a window and have some known label.

    `number_R`: consecutive bars have consecutive numbers. `reach_R`: how many rows a window that ends there has: always
    `length`, fewer only where windows expand.
    """

    interval: Interval
    features: FeatureSet
    window: recipe.Window
    outputs: tuple[Output, ...]
    symbols: tuple[str, ...]
    symbol_R: npt.NDArray[np.int32]
    opened_at_ms_R: TimeArray
    number_R: Rows
    bars_R5: BarArray
    features_RF: npt.NDArray[np.float32]
    targets: dict[str, npt.NDArray[np.float64]]
    volatility_R: npt.NDArray[np.float64]
    event_R: npt.NDArray[np.bool_]
    reach_R: Rows
    ends_N: Rows
    market: Market | None = None
    external: tuple[External, ...] = ()
    external_fingerprint: str = ""
    scales: tuple[Scale, ...] = ()
    before_R: Rows = np.empty(0, np.int64)
    """Consecutive bars that end at each row, itself included."""

    @property
    def length(self) -> int:
        """Steps of a window."""
        return self.window.length

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of `features_RF`: the features of the bars, then what is read beside them."""
        return (*self.features.names, *(column for one in self.external for column in one.columns))

    @property
    def bars_needed(self) -> int:
        """Bars a window is made of: its rows and what the first of them looks back on."""
        return self.length + self.features.lookback - 1

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """When its venue's bars open, as a bundle tells it; empty: always."""
        return self.interval.stretches if isinstance(self.interval, Sessions) else ()

    @property
    def memory(self) -> int:
        """Bars that anything said at a bar hangs on, itself included: of the symbol, and of the market before it."""
        return max(one.bars_needed + one.lag for one in self.inputs)

    @property
    def horizon(self) -> int:
        """The furthest bar ahead that a label looks at."""
        return max(output.horizon for output in self.outputs)

    @property
    def input(self) -> Input:
        """What a model of these windows reads of the symbol itself, as a bundle says it."""
        window = Window(self.window.kind, self.length, self.window.fewest)
        known = self.features
        return Input("features", "symbol", self.names, known.digest, known.lookback, window, external=self.external)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """All that a model of these windows reads: the symbol, its longer bars, the market where there is one."""
        own = (self.input, *(one.input for one in self.scales))
        if self.market is None:
            return own
        of, window = self.market, Window("rolling", self.length, self.length)
        known = of.features
        beside = Input(
            "market", "market", known.names, known.digest, known.lookback, window, of.symbol, of.lag, of.members
        )
        return (*own, beside)


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
    def first_bar(self) -> Rows:
        """(N,): the row of the first bar that any feature of each window reads."""
        behind_N = self.panel.reach_R[self.ends_N] + self.panel.features.lookback - 1
        return (
            self.ends_N + 1 - np.maximum(behind_N, max((one.input.bars_needed for one in self.panel.scales), default=0))
        )

    @property
    def span(self) -> tuple[int, int]:
        """Opening times of the first bar that any window or feature reads and of the last that any label reads."""
        times_R = self.panel.opened_at_ms_R
        return int(times_R[self.first_bar].min()), int(times_R[self.ends_N + self.panel.horizon].max())

    @property
    def volatility(self) -> npt.NDArray[np.float64]:
        """(N,): how much the price moved before the end of each window."""
        return self.panel.volatility_R[self.ends_N]

    def target(self, output: Output) -> npt.NDArray[np.float64]:
        """(N,): what came to be; NaN where it counts as neither."""
        return self.panel.targets[output.name][self.ends_N]

    def known(self, output: Output) -> "Samples":
        """Those whose label of this output is known."""
        return Samples(self.panel, self.ends_N[np.isfinite(self.target(output))])

    def feature_rows(self) -> npt.NDArray[np.float32]:
        """(rows, F): every feature row that lies in some window, once."""
        return self.panel.features_RF[_covered(self.ends_N, self.panel.reach_R[self.ends_N], len(self.panel.reach_R))]

    def market_rows(self) -> npt.NDArray[np.float32]:
        """(rows, F): every row of the market that lies in some window, once."""
        market = self.panel.market
        assert market is not None
        return market.features_MF[_covered(market.row_R[self.ends_N], self.panel.length, len(market.features_MF))]

    def scale_rows(self, scale: Scale) -> npt.NDArray[np.float32]:
        """(rows, F): every row of longer bars that lies in some window, once."""
        return scale.features_MF[_covered(scale.row_R[self.ends_N], scale.length, len(scale.features_MF))]

    def bars(self, which: Rows) -> BarArray:
        """(n, L, 5): the bars behind some windows, oldest first, as a daemon would hold them; NaN before the first."""
        ends_n = self.ends_N[which]
        needed = max(one.bars_needed for one in self.panel.inputs if one.source == "symbol")
        back = np.arange(needed - 1, -1, -1)
        bars_nL5 = self.panel.bars_R5[np.maximum(ends_n[:, None] - back, 0)]
        bars_nL5[back >= self.panel.before_R[ends_n][:, None]] = np.nan
        return np.asarray(bars_nL5)

    def external_rows(self, which: Rows) -> npt.NDArray[np.float32]:
        """(n, T, E): what was known beside the bars of some windows; nothing that holds of rows that are lacking."""
        back = np.arange(self.panel.length - 1, -1, -1)
        rows_nT = np.maximum(self.ends_N[which][:, None] - back, 0)
        return self.panel.features_RF[rows_nT, len(self.panel.features.names) :]

    def market_bars(self, which: Rows) -> npt.NDArray[Any]:
        """(n, K+T-1, 5): the market's bars beside some windows, up to its lag; of breadth its rows, (n, T, F)."""
        market = self.panel.market
        assert market is not None
        if market.members:
            back = np.arange(self.panel.length - 1, -1, -1)
            return np.asarray(market.features_MF[market.row_R[self.ends_N[which]][:, None] - back])
        back = np.arange(self.panel.inputs[-1].bars_needed - 1, -1, -1)
        return np.asarray(market.bars_M5[market.row_R[self.ends_N[which]][:, None] - back])


def _covered(ends_N: Rows, reach: Rows | int, rows: int) -> npt.NDArray[np.bool_]:
    """(rows,): whether each lies in some stretch of `reach` rows that ends at one of these."""
    changes_R = np.zeros(rows + 1, np.int64)
    np.add.at(changes_R, ends_N - reach + 1, 1)
    np.add.at(changes_R, ends_N + 1, -1)
    return np.asarray(changes_R[:-1].cumsum() > 0)


def spread(count: int, wanted: int) -> Rows:
    """`wanted` of the numbers below `count`, one in each of as many equal stretches; all of them where there are fewer.

    The first and the last are among them. Where in its stretch each lies moves by the golden section: steps of one
    length would meet the same few symbols again and again among windows that are ordered by time.
    """
    wanted = min(count, wanted)
    number = np.arange(wanted)
    first, end = number * count // max(1, wanted), (number + 1) * count // max(1, wanted)
    chosen = np.asarray(first + (end - first) * (number * _GOLDEN % 1), np.int64)
    if wanted > 1:
        chosen[-1] = count - 1
    return chosen
