"""From bars to a batch, and from a batch's outputs to messages: what lies between inbox, engine and store. Pure.

Shapes: N predictions, L bars needed (window and lookback), T window steps, F features.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from core.bars import Arrival, Origin, TimeArray
from core.bundle import Manifest
from core.external import Records
from core.inputs import Bools, Counts, Inputs
from core.windows import Windows
from daemon.ports import Entry, Float32s, Standing
from daemon.predicting.ahead import Ahead
from daemon.predicting.batch import NOBODY, Admission, Batch
from daemon.predicting.behind import Behind, Cut, Stored
from daemon.predicting.intake import Intake
from daemon.predicting.messages import Messages
from daemon.predicting.spoken import Spoken
from daemon.predicting.trust import Trust

Places = npt.NDArray[np.int64]

NEVER_MS: Final = 1 << 62
"""As the time of the first bar to predict: a symbol that is only read beside others."""
_AS_EXPORTED: Final = Standing()


class Pipeline:
    """One model's pure work. It changes the windows it is given, and nothing else.

    `publish_late`: whether bars that did not come live are predicted. `fill`: whether windows that lack a bar are
    predicted as if it were flat. `top`: how many of the heaviest steps a message names. `trust`: what may speak
    against a prediction. `engine`: what runs the model, in words. `records`: those known now,
    where the model reads any.
    """

    def __init__(
        self,
        manifest: Manifest,
        digest: str,
        *,
        publish_late: bool,
        top: int,
        fill: bool = False,
        trust: Trust | None = None,
        engine: str = "",
        records: Callable[[], Records] | None = None,
        gone: Collection[str] = (),
    ) -> None:
        self._messages = Messages(manifest, digest, top, trust or Trust(manifest.inputs, {}), engine)
        self._records = records
        self._publish_late = publish_late
        self._inputs = Inputs(manifest.inputs, manifest.grid)
        self._behind = Behind(self._inputs, fill=fill, gone=gone)
        self._expands = any(one.window.kind == "expanding" for one in manifest.inputs)
        self.bars_needed = self._inputs.bars_needed
        self.fewest_bars = self._inputs.fewest_bars
        breadths = [one for one, _ in self._inputs.breadths]
        members = [name for one in breadths for name in one.members if name not in gone]
        self.markets = tuple(dict.fromkeys([*(one.symbol for one in self._inputs.markets), *members]))
        """Symbols whose bars are read beside those of every other."""

    def slices(self, arrivals: Sequence[Arrival], sizes: Iterator[int]) -> Iterator[Sequence[Arrival]]:
        """The same in slices of these sizes, where preparing one after the other is preparing all at once."""
        if self.markets or len({arrival.bar.symbol for arrival in arrivals}) < len(arrivals):
            yield arrivals
            return
        first = 0
        while first < len(arrivals):
            size = next(sizes)
            yield arrivals[first : first + size]
            first += size

    def prepare(
        self,
        windows: Windows,
        arrivals: Sequence[Arrival],
        since_ms: Mapping[str, int],
        broken: Collection[str] = (),
        now_ms: int | None = None,
        ahead: Ahead | None = None,
    ) -> Admission:
        """Give every bar its place, and compute the model's inputs for those to be predicted.

        `since_ms`: per symbol, the opening time of the first bar to predict; earlier ones only fill windows.
        `broken`: symbols that no longer wait for a missing bar and go on without it. `now_ms`: the
        venue's clock where it was asked: what opens after it is refused. `ahead` knows whose window was run ahead.
        """
        intake = Intake(windows, self._inputs, self._behind, now_ms)
        cuts: list[Cut] = []
        foreseen: list[Stored] = []
        places: list[Places] = [NOBODY]
        newest: list[dict[str, Float32s]] = []
        reaches: list[Counts] = [NOBODY]
        turns = _turns(arrivals)
        for turn in turns:
            asked = [one for one in intake.take(turn, broken) if self._asked(one.arrival, since_ms)]
            positions_N, opened_N = _places(windows, asked)
            fits_N = ahead.fits(positions_N, opened_N) if ahead else np.zeros(len(asked), np.bool_)
            fit, whole = _parted(asked, fits_N)
            intake.predicted(fit)
            if whole:
                cuts.append(self._behind.cut(windows, whole))
                intake.predicted(cuts[-1].predicted)
            # Made now: a later turn may revise these very bars.
            positions_N, opened_N = positions_N[fits_N], opened_N[fits_N]
            if len(positions_N):
                newest.append(self._inputs.newest(windows, positions_N, opened_N))
            reaches.append(self._reach(windows, positions_N, opened_N))
            places.append(positions_N)
            foreseen += fit
        whole = [one for cut in cuts for one in cut.predicted]
        inputs = self._made(whole, cuts) if whole else {}
        reach_N = np.concatenate([*reaches, *(cut.reach_N for cut in cuts)])
        predicted, stored = (*foreseen, *whole), intake.stored
        if len(turns) == 1 and len(stored) == len(predicted):
            # Whatever is predicted is stored, so these are the same bars; of one turn any order will do.
            stored = predicted
        batch = Batch(stored, predicted, inputs, _joined(newest), np.concatenate(places), reach_N)
        return Admission(batch, intake.fates, tuple(intake.early))

    def unfinished(
        self,
        windows: Windows,
        symbols: Sequence[str],
        since_ms: Mapping[str, int],
        venues: Mapping[str, str],
        now_ms: int,
    ) -> Batch:
        """What these symbols have stored and not published, though its window is whole, and the model's inputs for it.

        A daemon that was killed between two calls to the store leaves such bars: no bar still to come would heal them.
        """
        begun = [
            Stored(Arrival(bar, venues[symbol], now_ms, Origin.BACKFILLED), revision)
            for symbol in symbols
            for bar, revision in windows.unpublished(symbol, since_ms.get(symbol, 0))
        ]
        cut = self._behind.cut(windows, [one for one in begun if self._asked(one.arrival, since_ms)])
        inputs = self._made(cut.predicted, [cut]) if cut.predicted else {}
        return Batch(tuple(cut.predicted), tuple(cut.predicted), inputs, reach=cut.reach_N)

    def inherit(self, before: "Pipeline") -> None:
        """Take over the rows that a pipeline of the same inputs remembers."""
        self._inputs, self._behind = before._inputs, before._behind  # noqa: SLF001 - one of its kind

    def again(self, windows: Windows, predicted: Sequence[Stored]) -> Batch:
        """What another model predicted, and this one's inputs for those of it that have a whole window here."""
        cut = self._behind.cut(windows, predicted)
        inputs = self._made(cut.predicted, [cut]) if cut.predicted else {}
        return Batch(tuple(cut.predicted), tuple(cut.predicted), inputs, reach=cut.reach_N)

    def finish(
        self, batch: Batch, outputs: dict[str, Float32s], now_ms: int, standing: Standing = _AS_EXPORTED
    ) -> tuple[list[Entry], Spoken]:
        """What to store for every bar of this batch, and what goes out with it."""
        return self._messages.of(batch, outputs, now_ms, standing)

    def _reach(self, windows: Windows, positions_N: Places, opened_N: TimeArray) -> Counts:
        """(N,): how many rows the window of each has, where windows expand."""
        if not self._expands or not len(positions_N):
            return NOBODY
        return self._inputs.reach(windows.gather(positions_N, opened_N, self.bars_needed)[1])

    def _asked(self, arrival: Arrival, since_ms: Mapping[str, int]) -> bool:
        if arrival.bar.opened_at_ms < since_ms.get(arrival.bar.symbol, 0):
            return False
        return self._publish_late or arrival.origin.off_a_socket

    def _made(self, predicted: Sequence[Stored], cuts: Sequence[Cut]) -> dict[str, Float32s]:
        opened_N = np.array([one.arrival.bar.opened_at_ms for one in predicted], np.int64)
        markets = {name: np.concatenate([cut.markets[name] for cut in cuts]) for name in cuts[0].markets}
        symbols = [one.arrival.bar.symbol for one in predicted]
        external = self._inputs.external_rows(self._records(), symbols, opened_N) if self._records else None
        return self._inputs.whole(_joined([cut.own for cut in cuts]), opened_N, markets, external)


def with_markets(symbols: Sequence[str], markets: Sequence[str]) -> tuple[str, ...]:
    """The symbols whose bars are wanted: those to predict, and the markets that are read beside them."""
    return tuple(dict.fromkeys((*symbols, *markets)))


def _places(windows: Windows, some: Sequence[Stored]) -> tuple[Places, TimeArray]:
    positions_N = np.array([windows.index[one.arrival.bar.symbol] for one in some], np.int64)
    return positions_N, np.array([one.arrival.bar.opened_at_ms for one in some], np.int64)


def _parted(asked: list[Stored], fits_N: Bools) -> tuple[list[Stored], list[Stored]]:
    """Those whose window was run ahead, and the others."""
    if fits_N.all():
        return asked, []
    fits = fits_N.tolist()
    return (
        [one for one, fit in zip(asked, fits, strict=True) if fit],
        [one for one, fit in zip(asked, fits, strict=True) if not fit],
    )


def _turns(arrivals: Sequence[Arrival]) -> list[list[Arrival]]:
    """Split so that no turn holds a symbol twice: each prediction sees the bars up to its own, not later ones."""
    if len({arrival.bar.symbol for arrival in arrivals}) == len(arrivals):
        return [list(arrivals)] if arrivals else []
    turns: list[list[Arrival]] = []
    seen: Counter[str] = Counter()
    for arrival in arrivals:
        turn = seen[arrival.bar.symbol]
        seen[arrival.bar.symbol] += 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(arrival)
    return turns


def _joined(parts: Sequence[dict[str, Float32s]]) -> dict[str, Float32s]:
    """Of one turn, as a burst is, they are not copied once more."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
