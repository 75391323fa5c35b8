"""What a model said about the windows of a file, where it looked, and what came to be.

N predictions, T steps, F features, H heads, L layers. The newest R of T steps are there; in a rolling window all.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core import attention
from core.barfile import BarFile
from core.bars import CLOSE, TimeArray
from core.breadth import Breadth
from core.errors import DataError
from core.features import FeatureSet
from core.outputs import Attention, Kind, Output
from core.reach import over
from training.data import panel as panels
from training.data.dataset import Panel, Samples, spread
from training.explain.axes import Layout
from training.explain.estimate import Draws
from training.explain.reads import Doubles, Floats, Reader, Reads, Rows, together
from training.explain.subject import Subject
from training.explain.upward import confidence, upward
from training.network.model import PLAIN

Watch = Callable[[float], None]
"""Told how much is done, from 0 to 1."""

BATCH: Final = 512
LEAST_SPREAD: Final = 1e-12


class Look(msgspec.Struct, frozen=True):
    """Where one attention lay. `profile_NT`: mean over heads and layers. `mean`: over predictions, every axis kept.

    `place`: the number of the input looked at. `reach_N`: how many steps there were to look at, the newest ones.
    `entropy` and `sparsity` are means over predictions too, of each single look: every axis but the last.
    `heads_NHT` and `layers_NLT` are there where the attention has that axis.
    """

    attention: Attention
    layout: Layout
    place: int
    reach_N: Rows
    profile_NT: Floats
    mean: Doubles
    entropy: Doubles
    sparsity: Doubles
    heads_NHT: Floats | None = None
    layers_NLT: Floats | None = None

    @property
    def even(self) -> Floats:
        """(N, T): the weights of looking at every step alike that is there."""
        steps = self.profile_NT.shape[1]
        there_NT = np.arange(steps) >= steps - self.reach_N[:, None]
        return np.where(there_NT, 1 / self.reach_N[:, None], 0.0).astype(np.float32)


class Gates(msgspec.Struct, frozen=True):
    """Activations of gates: their mean over predictions, and the deviation of each gate over predictions and steps."""

    attention: Attention
    layout: Layout
    mean: Doubles
    deviation_G: Doubles


class Predictions(msgspec.Struct, frozen=True):
    """All that was said about some windows, by output; under PLAIN and its name also without its calibration.

    `forecast_N` and `outcome_N` are above zero for up, or for the event. `confidence_N`: from 0 to 1. Of a probability
    2|p - 0.5|, of a return its rank by size. `usual` and `spread`: of each input, mean and deviation (F,) of its
    features over these windows.
    """

    subject: Subject
    samples: Samples
    output: Output
    said: dict[str, Floats]
    forecast_N: Doubles
    confidence_N: Doubles
    outcome_N: Doubles
    looks: tuple[Look, ...]
    gates: tuple[Gates, ...]
    usual: Reads
    spread: Reads
    read: Reader

    def __len__(self) -> int:
        """How many predictions."""
        return len(self.samples)

    @property
    def panel(self) -> Panel:
        """The bars, features and labels of the file."""
        return self.samples.panel

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether the direction was foretold; no for a bar after which nothing moved, or nothing is known."""
        return np.asarray(np.sign(self.forecast_N) * np.sign(np.nan_to_num(self.outcome_N)) > 0)

    def symbol(self, row: int) -> str:
        """The symbol of a prediction."""
        return str(self.panel.symbols[self.panel.symbol_R[self.samples.ends_N[row]]])

    def times(self, row: int, place: int = 0) -> TimeArray:
        """(R,): when each bar of a prediction's window opened, or of the market's beside it."""
        last, market = self._last(row, place), self.panel.market
        times = self.panel.opened_at_ms_R if place == 0 or market is None else market.opened_at_ms_M
        return times[last - self.reach(row, place) + 1 : last + 1]

    def closes(self, row: int, place: int = 0) -> Doubles:
        """(R,): the closes of those bars."""
        last, market = self._last(row, place), self.panel.market
        bars = self.panel.bars_R5 if place == 0 or market is None else market.bars_M5
        return bars[last - self.reach(row, place) + 1 : last + 1, CLOSE]

    def reach(self, row: int, place: int = 0) -> int:
        """How many steps of a window are there."""
        whole = self.subject.inputs[place].window.length
        return whole if place else int(self.panel.reach_R[self.samples.ends_N[row]])

    def _last(self, row: int, place: int) -> int:
        end, market = int(self.samples.ends_N[row]), self.panel.market
        return end if place == 0 or market is None else int(market.row_R[end])

    def names(self, place: int = 0) -> tuple[str, ...]:
        """The columns of an input."""
        return self.panel.inputs[place].features

    def feature_set(self, place: int = 0) -> FeatureSet | Breadth:
        """The features of an input that is looked at."""
        return self.panel.features if place == 0 or self.panel.market is None else self.panel.market.features

    def draws(self, rows: Rows | None = None) -> Draws:
        """The bootstrap for means over these predictions, or over some of them."""
        times_N = self.samples.opened_at_ms if rows is None else self.samples.opened_at_ms[rows]
        return Draws(times_N, self.panel.interval, self.panel.length, self.output.horizon)

    def reads(self, rows: Rows) -> Reads:
        """(n, T, F) of each input: the windows of some predictions."""
        return self.read(self.samples.ends_N[rows])

    def away(self, rows: Rows, place: int = 0) -> Floats:
        """(n, T, F): how many deviations each feature is from usual; 0 where there is no row."""
        return np.asarray(np.nan_to_num((self.reads(rows)[place] - self.usual[place]) / self.spread[place]))

    def window(self, row: int, place: int = 0) -> Floats:
        """(R, F): what one prediction read of one input."""
        return np.asarray(self.reads(np.array([row]))[place][0, -self.reach(row, place) :])


def make_panel(subject: Subject, file: BarFile, symbols: tuple[str, ...]) -> Panel:
    """The file as windows of the subject's features; of these symbols, all where none are named.

    Raises: DataError: the features are no longer those the subject was trained on.
    """
    data = msgspec.structs.replace(subject.recipe.data, symbols=symbols)
    made = panels.panel(file, msgspec.structs.replace(subject.recipe, data=data))
    if made.inputs != subject.inputs:
        raise DataError(f"{subject.folder} was trained with features that are computed otherwise now; try: gaze train")
    return made


def unseen(subject: Subject, panel: Panel, limit: int) -> Samples:
    """Windows that lie wholly in or after the subject's test part, in order of time, `limit` of them spread evenly.

    Raises: DataError: there is none.
    """
    test_from = subject.training.spans["test"][0]
    ends_N = panel.ends_N[panel.opened_at_ms_R[Samples(panel, panel.ends_N).first_bar] >= test_from]
    if not len(ends_N):
        raise DataError(
            f"the file has no whole window from {np.datetime64(test_from, 'ms')} on, where the test part of "
            f"{subject.folder} begins; what lies before was trained on. try: a file of later bars"
        )
    ends_N = ends_N[np.argsort(panel.opened_at_ms_R[ends_N], kind="stable")]
    return Samples(panel, ends_N[spread(len(ends_N), limit)])


def predict(subject: Subject, samples: Samples, output: Output, watch: Watch) -> Predictions:
    """Run the subject over the windows in batches, keeping of each attention what its statistics need."""
    gathered = [_Gathered(one, len(subject.inputs) - 1) for one in subject.attentions]
    outputs, said = {one.name for one in subject.outputs}, dict[str, list[Floats]]()
    read, panel, batch = Reader(samples.panel), samples.panel, min(BATCH, together(subject.inputs))
    for at in range(0, len(samples), batch):
        ends = samples.ends_N[at : at + batch]
        spoken = subject.say(read(ends))
        for name, values in spoken.items():
            if name.removeprefix(PLAIN) in outputs:
                said.setdefault(name, []).append(values)
        for one in gathered:
            one.add(spoken[one.attention.name], np.full(len(ends), panel.length) if one.place else panel.reach_R[ends])
        watch(min(1.0, (at + batch) / len(samples)))
    whole = {name: np.concatenate(parts) for name, parts in said.items()}
    rows = [samples.feature_rows(), *map(samples.scale_rows, panel.scales)]
    rows += [samples.market_rows()] if panel.market is not None else []
    return Predictions(
        subject,
        samples,
        output,
        whole,
        upward(output, whole[output.name]),
        confidence(output, whole[output.name]),
        outcome(samples, output),
        tuple(one.look() for one in gathered if not one.layout.gates),
        tuple(one.gates() for one in gathered if one.layout.gates),
        tuple(rows_RF.mean(axis=0, dtype=np.float64).astype(np.float32) for rows_RF in rows),
        tuple(np.maximum(rows_RF.std(axis=0, dtype=np.float64), LEAST_SPREAD).astype(np.float32) for rows_RF in rows),
        read,
    )


class _Gathered:
    """One attention, gathered batch by batch: what has T x T numbers a prediction is only ever summed."""

    def __init__(self, attention: Attention, last: int) -> None:
        self.attention, self.layout = attention, Layout.of(attention.axes)
        # The market is the last input; longer bars of the symbol itself are read, and never looked at.
        self.place = last if self.layout.axes[-1] == "market" else 0
        self._count, self._sum, self._squares = 0, np.zeros(()), np.zeros(())
        self._entropy, self._sparsity = np.zeros(()), np.zeros(())
        self._reaches: list[Rows] = []
        self._profiles: list[Floats] = []
        self._heads: list[Floats] = []
        self._layers: list[Floats] = []

    def add(self, values: Floats, reach_N: Rows) -> None:
        self._count += len(values)
        self._sum = self._sum + values.sum(axis=0, dtype=np.float64)
        if self.layout.gates:
            wide = values.reshape(-1, values.shape[-1]).astype(np.float64)
            self._squares = self._squares + (wide**2).sum(axis=0)
            return
        self._entropy = self._entropy + over(attention.normalised_entropy, values, reach_N).sum(axis=0)
        self._sparsity = self._sparsity + over(attention.gini, values, reach_N).sum(axis=0)
        self._reaches.append(reach_N)
        self._profiles.append(attention.profile(values))
        if self.layout.has("head"):
            self._heads.append(self.layout.kept(values, "head"))
        if self.layout.has("layer"):
            self._layers.append(self.layout.kept(values, "layer"))

    def look(self) -> Look:
        heads = np.concatenate(self._heads) if self._heads else None
        layers = np.concatenate(self._layers) if self._layers else None
        profile = np.concatenate(self._profiles)
        mean, entropy, sparsity = (one / self._count for one in (self._sum, self._entropy, self._sparsity))
        reach_N = np.concatenate(self._reaches)
        return Look(self.attention, self.layout, self.place, reach_N, profile, mean, entropy, sparsity, heads, layers)

    def gates(self) -> Gates:
        mean = self._sum / self._count
        per_gate = mean.reshape(-1, mean.shape[-1])
        seen = self._count * len(per_gate)
        variance = self._squares / seen - per_gate.mean(axis=0) ** 2
        return Gates(self.attention, self.layout, mean, np.sqrt(np.maximum(variance, 0.0)))


def outcome(samples: Samples, output: Output) -> Doubles:
    """(N,): the log return of the close over the horizon, or whether the event happened; NaN where not known."""
    panel, ends_N = samples.panel, samples.ends_N
    if output.kind is Kind.PROBABILITY:
        return np.asarray(samples.target(output).reshape(len(ends_N), -1)[:, 0] - 0.5)
    later_N = np.minimum(ends_N + output.horizon, len(panel.bars_R5) - 1)
    waited_N = panel.number_R[later_N] - panel.number_R[ends_N]
    known_N = (waited_N == output.horizon) & (panel.symbol_R[later_N] == panel.symbol_R[ends_N])
    moved_N = np.log(panel.bars_R5[later_N, CLOSE] / panel.bars_R5[ends_N, CLOSE])
    return np.where(known_N, moved_N, np.nan)
