"""What a model said about the windows of a file, where it looked, and what came to be.

N predictions, T steps, F features, H heads, L layers.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core import attention
from core.barfile import BarFile
from core.bars import CLOSE, TimeArray
from core.errors import DataError
from core.outputs import Attention, Kind, Output
from training import dataset
from training.dataset import Panel, Samples
from training.explain.axes import Layout
from training.explain.estimate import Draws
from training.explain.subject import Subject

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Watch = Callable[[float], None]
"""Told how much is done, from 0 to 1."""

BATCH: Final = 512


class Look(msgspec.Struct, frozen=True):
    """Where one attention lay. `profile_NT`: mean over heads and layers. `mean`: over predictions, every axis kept.

    `entropy` and `sparsity` are means over predictions too, of each single look: every axis but the last.
    `heads_NHT` and `layers_NLT` are there where the attention has that axis.
    """

    attention: Attention
    layout: Layout
    profile_NT: Floats
    mean: Doubles
    entropy: Doubles
    sparsity: Doubles
    heads_NHT: Floats | None = None
    layers_NLT: Floats | None = None


class Gates(msgspec.Struct, frozen=True):
    """Activations of gates: their mean over predictions, and the deviation of each gate over predictions and steps."""

    attention: Attention
    layout: Layout
    mean: Doubles
    deviation_G: Doubles


class Predictions(msgspec.Struct, frozen=True):
    """All that was said about some windows. `forecast_N` and `outcome_N` are above zero for up, or for the event.

    `confidence_N`: from 0 to 1. Of a probability 2|p - 0.5|, of a return its rank by size. `usual_F` and `spread_F`:
    mean and deviation of the features over these windows.
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
    usual_F: Floats
    spread_F: Floats

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

    def times(self, row: int) -> TimeArray:
        """(T,): when each bar of a prediction's window opened."""
        end = int(self.samples.ends_N[row])
        return self.panel.opened_at_ms_R[end - self.panel.length + 1 : end + 1]

    def draws(self, rows: Rows | None = None) -> Draws:
        """The bootstrap for means over these predictions, or over some of them."""
        times_N = self.samples.opened_at_ms if rows is None else self.samples.opened_at_ms[rows]
        return Draws(times_N, self.panel.interval, self.panel.length, self.output.horizon)

    def features(self, rows: Rows) -> Floats:
        """(n, T, F): the windows of some predictions."""
        return windows(self.panel, self.samples.ends_N[rows])


def windows(panel: Panel, ends_N: Rows) -> Floats:
    """(N,) rows of last bars -> (N, T, F)."""
    views_RFT = np.lib.stride_tricks.sliding_window_view(panel.features_RF, panel.length, axis=0)
    return np.ascontiguousarray(views_RFT[ends_N - panel.length + 1].transpose(0, 2, 1))


def make_panel(subject: Subject, file: BarFile) -> Panel:
    """The file as windows of the subject's features.

    Raises: DataError: the features are no longer those the subject was trained on.
    """
    made = dataset.panel(file, subject.recipe)
    if made.input.features_digest != subject.input.features_digest:
        raise DataError(f"{subject.folder} was trained with features that are computed otherwise now; try: gaze train")
    return made


def unseen(subject: Subject, panel: Panel, limit: int) -> Samples:
    """Windows that lie wholly in or after the subject's test part, in order of time, `limit` of them spread evenly.

    Raises: DataError: there is none.
    """
    test_from = subject.training.spans["test"][0]
    first = test_from + (panel.bars_needed - 1) * panel.interval.ms
    ends_N = panel.ends_N[panel.opened_at_ms_R[panel.ends_N] >= first]
    if not len(ends_N):
        raise DataError(
            f"the file has no whole window from {np.datetime64(test_from, 'ms')} on, where the test part of "
            f"{subject.folder} begins; what lies before was trained on. try: a file of later bars"
        )
    ends_N = ends_N[np.argsort(panel.opened_at_ms_R[ends_N], kind="stable")]
    return Samples(panel, ends_N[spread(len(ends_N), limit)])


def spread(count: int, wanted: int) -> Rows:
    """`wanted` of the numbers below `count`, evenly spread; all of them where there are fewer."""
    return np.linspace(0, count - 1, min(count, wanted)).round().astype(np.int64)


def predict(subject: Subject, samples: Samples, output: Output, watch: Watch) -> Predictions:
    """Run the subject over the windows in batches, keeping of each attention what its statistics need."""
    gathered = [_Gathered(one) for one in subject.attentions]
    said: dict[str, list[Floats]] = {one.name: [] for one in subject.outputs}
    for at in range(0, len(samples), BATCH):
        spoken = subject.say(windows(samples.panel, samples.ends_N[at : at + BATCH]))
        for name, kept in said.items():
            kept.append(spoken[name])
        for one in gathered:
            one.add(spoken[one.attention.name])
        watch(min(1.0, (at + BATCH) / len(samples)))
    outputs = {name: np.concatenate(parts) for name, parts in said.items()}
    rows_RF = samples.feature_rows()
    return Predictions(
        subject,
        samples,
        output,
        outputs,
        upward(output, outputs[output.name]),
        confidence(output, outputs[output.name]),
        outcome(samples, output),
        tuple(one.look() for one in gathered if not one.layout.gates),
        tuple(one.gates() for one in gathered if one.layout.gates),
        rows_RF.mean(axis=0, dtype=np.float64).astype(np.float32),
        np.maximum(rows_RF.std(axis=0, dtype=np.float64), 1e-12).astype(np.float32),
    )


class _Gathered:
    """One attention, gathered batch by batch: what has T x T numbers a prediction is only ever summed."""

    def __init__(self, attention: Attention) -> None:
        self.attention, self.layout = attention, Layout.of(attention.axes)
        self._count, self._sum, self._squares = 0, np.zeros(()), np.zeros(())
        self._entropy, self._sparsity = np.zeros(()), np.zeros(())
        self._profiles: list[Floats] = []
        self._heads: list[Floats] = []
        self._layers: list[Floats] = []

    def add(self, values: Floats) -> None:
        self._count += len(values)
        self._sum = self._sum + values.sum(axis=0, dtype=np.float64)
        if self.layout.gates:
            wide = values.reshape(-1, values.shape[-1]).astype(np.float64)
            self._squares = self._squares + (wide**2).sum(axis=0)
            return
        self._entropy = self._entropy + attention.normalised_entropy(values).sum(axis=0)
        self._sparsity = self._sparsity + attention.gini(values).sum(axis=0)
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
        return Look(self.attention, self.layout, profile, mean, entropy, sparsity, heads, layers)

    def gates(self) -> Gates:
        mean = self._sum / self._count
        per_gate = mean.reshape(-1, mean.shape[-1])
        seen = self._count * len(per_gate)
        variance = self._squares / seen - per_gate.mean(axis=0) ** 2
        return Gates(self.attention, self.layout, mean, np.sqrt(np.maximum(variance, 0.0)))


def upward(output: Output, values: Floats) -> Doubles:
    """(N,) or (N, width) -> (N,): above zero where the output says up, or that the event happens."""
    wide = values.astype(np.float64)
    if output.kind in {Kind.PROBABILITY, Kind.DIRECTION}:
        return wide - 0.5
    if output.kind is Kind.QUANTILES:
        return np.asarray(wide[:, int(np.abs(np.array(output.levels) - 0.5).argmin())])
    if output.kind is Kind.ORDINAL:
        return np.asarray(wide @ (np.arange(wide.shape[1]) - (wide.shape[1] - 1) / 2))
    return wide


def confidence(output: Output, values: Floats) -> Doubles:
    """(N,): how sure the output is, from 0 to 1. A return's is the share of returns of no greater size."""
    if output.kind in {Kind.PROBABILITY, Kind.DIRECTION}:
        return np.asarray(2 * np.abs(values.astype(np.float64) - 0.5))
    if output.kind is Kind.ORDINAL:
        return np.asarray(values.max(axis=1).astype(np.float64))
    size_N = np.abs(upward(output, values))
    if output.kind is Kind.TREND:
        return size_N
    return np.asarray(np.searchsorted(np.sort(size_N), size_N, side="right") / len(size_N))


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
