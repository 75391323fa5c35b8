"""From bars to a batch, and from a batch's outputs to messages: what lies between inbox, engine and store. Pure.

Shapes: N predictions, L bars needed (window and lookback), T window steps, F features.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.bands import Band, bands
from core.bars import Arrival, Origin, TimeArray
from core.bundle import Manifest
from core.drift.statistics import openness
from core.external import Records
from core.inputs import Counts, Inputs
from core.outputs import Attention
from core.prediction import Context, Doubt, Gaze, Message, Prediction, encode, prediction_id
from core.windows import Fate, Windows
from daemon.ports import Entry, Float32s, Standing
from daemon.predicting.ahead import Ahead
from daemon.predicting.behind import Behind, Cut, Stored
from daemon.predicting.gazing import gazes
from daemon.predicting.intake import Intake
from daemon.predicting.trust import Trust

NEVER_MS: Final = 1 << 62
"""As the time of the first bar to predict: a symbol that is only read beside others."""
_SYMBOLS_AT_ONCE: Final = 64
_AS_EXPORTED: Final = Standing()
_NOBODY: Final = np.empty(0, np.int64)


class Batch(msgspec.Struct, frozen=True):
    """Bars taken in together; `stored` has every bar to keep.

    Of `predicted` come first those whose newest row is enough, as the rest of their window was run ahead: `newest` has
    their rows and `ahead` the places of their symbols. `inputs` has the whole windows of those after them. `reach`: how
    many rows the window of each of `predicted` has, where windows expand.
    """

    stored: tuple[Stored, ...]
    predicted: tuple[Stored, ...]
    inputs: dict[str, Float32s]
    newest: dict[str, Float32s] = {}
    ahead: npt.NDArray[np.int64] = _NOBODY
    reach: npt.NDArray[np.int64] = _NOBODY

    @property
    def given(self) -> dict[str, Float32s]:
        """What the model is given of one part: by input (N, 1, F) of newest rows, (N, T, F) of whole windows."""
        return self.newest if len(self.ahead) else self.inputs

    def fed(self, row: int) -> dict[str, Float32s]:
        """What the model is given now of the prediction in this row: by input (T, F), or (1, F)."""
        of, row = (self.newest, row) if row < len(self.ahead) else (self.inputs, row - len(self.ahead))
        return {name: rows[row] for name, rows in of.items()}

    def parts(self, rows: int) -> list["Batch"]:
        """The same in batches of at most so many predictions, each of newest rows or of whole windows alone.

        Bars that are only to be kept go with the bar before them, or with the first: a store that has a later bar of a
        symbol in a slot of its ring takes an earlier one for outdated, and publishes nothing of it.
        """
        ahead = len(self.ahead)
        if len(self.predicted) <= rows and ahead in (0, len(self.predicted)):
            return [self]
        firsts = [*range(0, ahead, rows), *range(ahead, len(self.predicted), rows)]
        ends = [*firsts[1:], len(self.predicted)]
        part_of = {_key(one): part for part in range(len(firsts)) for one in self.predicted[firsts[part] : ends[part]]}
        stored: list[list[Stored]] = [[] for _ in firsts]
        reached: dict[str, int] = {}
        for one in self.stored:
            symbol = one.arrival.bar.symbol
            reached[symbol] = part_of.get(_key(one), reached.get(symbol, 0))
            stored[reached[symbol]].append(one)
        return [
            Batch(
                tuple(kept),
                self.predicted[first:end],
                {name: values[first - ahead : end - ahead] for name, values in self.inputs.items() if first >= ahead},
                {name: values[first:end] for name, values in self.newest.items() if first < ahead},
                self.ahead[first:end],
                self.reach[first:end],
            )
            for first, end, kept in zip(firsts, ends, stored, strict=True)
        ]


class Admission(msgspec.Struct, frozen=True):
    """What became of the bars that arrived: how many met each fate, and those whose predecessor is missing."""

    batch: Batch
    fates: Counter[Fate]
    early: tuple[Arrival, ...]


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
        self._manifest = manifest
        self._trust = trust or Trust(manifest.inputs, {})
        self._engine = engine
        self._records = records
        self._digest = digest
        self._interval = manifest.grid
        self._publish_late = publish_late
        self._top = top
        self._inputs = Inputs(manifest.inputs, self._interval)
        self._behind = Behind(self._inputs, fill=fill, gone=gone)
        self._expands = any(one.window.kind == "expanding" for one in manifest.inputs)
        self._market_lag = max((one.lag for one in manifest.inputs), default=0)
        self.bars_needed = self._inputs.bars_needed
        self.fewest_bars = self._inputs.fewest_bars
        breadths = [one for one, _ in self._inputs.breadths]
        members = [name for one in breadths for name in one.members if name not in gone]
        self.markets = tuple(dict.fromkeys([*(one.symbol for one in self._inputs.markets), *members]))
        """Symbols whose bars are read beside those of every other."""

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
        newest: list[dict[str, Float32s]] = []
        reaches: list[Counts] = []
        for turn in _turns(arrivals):
            asked = [one for one in intake.take(turn, broken) if self._asked(one.arrival, since_ms)]
            fit, whole = _parted(windows, asked, ahead)
            cut = self._behind.cut(windows, whole)
            intake.predicted([*fit, *cut.predicted])
            cuts.append(cut)
            # Made now: a later turn may revise these very bars.
            newest += self._newest(windows, fit)
            reaches.append(self._reach(windows, fit))
            foreseen += fit
        predicted = [one for cut in cuts for one in cut.predicted]
        inputs = self._made(predicted, cuts) if predicted else {}
        positions_N, _ = _places(windows, foreseen)
        reach_N = np.concatenate([_NOBODY, *reaches, *(cut.reach_N for cut in cuts)])
        batch = Batch(intake.stored, (*foreseen, *predicted), inputs, _joined(newest), positions_N, reach_N)
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
        self,
        batch: Batch,
        outputs: dict[str, Float32s],
        now_ms: int,
        standing: Standing = _AS_EXPORTED,
    ) -> list[tuple[Entry, Message | None]]:
        """What to store for every bar of this batch, and the message that goes out with it.

        `standing`: how the model stands.
        No message says a number that is not finite: JSON has none, and nobody could act on it.
        """
        finite_N = _finite(outputs, len(batch.predicted))
        numbers = {output.name: outputs[output.name].tolist() for output in self._manifest.outputs if outputs}
        opened_N = np.array([one.arrival.bar.opened_at_ms for one in batch.predicted], np.int64)
        looks = {
            one.name: self._looked(one, outputs[one.name], opened_N, batch) for one in self._manifest.looks if outputs
        }
        gates = {one.name: openness(outputs[one.name]).tolist() for one in self._manifest.gates if outputs}
        newest = _newest(batch)
        doubts = self._trust.doubts(batch.predicted, batch.given, standing.drifting, batch.reach)
        banded = bands(self._manifest.outputs, self._manifest.margins, outputs) if outputs else []
        adapted = bands(self._manifest.outputs, standing.margins, outputs) if outputs else []
        messages: dict[tuple[str, int, int], Message] = {}
        for row in np.flatnonzero(finite_N).tolist():
            one = batch.predicted[row]
            values = {name: _value(column[row]) for name, column in numbers.items()}
            looked = {name: rows[row] for name, rows in looks.items()}
            context = self._context(one, now_ms, standing, doubts[row], adapted[row] if adapted else {})
            said = self._prediction(one, values, looked, newest[row], banded[row] if banded else {})
            if gates:
                opened = {name: tuple(rows[row]) for name, rows in gates.items()}
                said = msgspec.structs.replace(said, gates=opened)
            messages[_key(one)] = Message(said, context)
        return [_entry(one, messages.get(_key(one))) for one in batch.stored]

    def _reach(self, windows: Windows, fit: Sequence[Stored]) -> Counts:
        """(N,): how many rows the window of each has, where windows expand."""
        if not self._expands or not fit:
            return _NOBODY
        return self._inputs.reach(windows.gather(*_places(windows, fit), self.bars_needed)[1])

    def _looked(self, seen: Attention, weights: Float32s, opened_N: TimeArray, batch: Batch) -> list[Gaze]:
        """One look for each prediction, over the steps that are there; a market's window ends earlier, and is whole."""
        steps, market = weights.shape[-1], seen.axes[-1] == "market"
        young = len(batch.reach) and not market
        reach_N = batch.reach.clip(max=steps) if young else np.full(len(opened_N), steps)
        return gazes(weights, opened_N, self._top, self._interval, self._market_lag if market else 0, reach_N)

    def _asked(self, arrival: Arrival, since_ms: Mapping[str, int]) -> bool:
        if arrival.bar.opened_at_ms < since_ms.get(arrival.bar.symbol, 0):
            return False
        return self._publish_late or arrival.origin.off_a_socket

    def _made(self, predicted: Sequence[Stored], cuts: Sequence[Cut]) -> dict[str, Float32s]:
        opened_N = np.array([one.arrival.bar.opened_at_ms for one in predicted], np.int64)
        markets = {name: np.concatenate([cut.markets[name] for cut in cuts]) for name in cuts[0].markets}
        symbols = [one.arrival.bar.symbol for one in predicted]
        external = self._inputs.external_rows(self._records(), symbols, opened_N) if self._records else None
        return self._inputs.make(np.concatenate([cut.bars_NL5 for cut in cuts]), opened_N, markets, symbols, external)

    def _newest(self, windows: Windows, fit: Sequence[Stored]) -> Iterator[dict[str, Float32s]]:
        """The newest row of every input, of some symbols after the other: their bars stay in the cache meanwhile."""
        for first in range(0, len(fit), _SYMBOLS_AT_ONCE):
            positions_N, opened_N = _places(windows, fit[first : first + _SYMBOLS_AT_ONCE])
            bars_NL5, _ = windows.gather(positions_N, opened_N, self._inputs.newest_bars)
            yield self._inputs.newest(bars_NL5, opened_N)

    def _prediction(
        self,
        one: Stored,
        outputs: dict[str, float | tuple[float, ...]],
        gaze: dict[str, Gaze],
        newest: bytes,
        banded: dict[str, tuple[Band, ...]],
    ) -> Prediction:
        bar, manifest = one.arrival.bar, self._manifest
        return Prediction(
            id=prediction_id(self._digest, bar.symbol, manifest.interval, bar.opened_at_ms, one.revision),
            model=manifest.name,
            version=manifest.version,
            digest=self._digest,
            symbol=bar.symbol,
            interval=manifest.interval,
            opened_at_ms=bar.opened_at_ms,
            closed_at_ms=bar.opened_at_ms + self._interval.ms,
            revision=one.revision,
            close=bar.close,
            outputs=outputs,
            gaze=gaze,
            newest=newest,
            bands=banded,
            high=bar.high,
        )

    def _context(
        self,
        one: Stored,
        now_ms: int,
        standing: Standing,
        doubts: tuple[Doubt, ...],
        adapted: dict[str, tuple[Band, ...]],
    ) -> Context:
        arrival = one.arrival
        return Context(
            venue=arrival.venue,
            origin=arrival.origin,
            late=not arrival.origin.off_a_socket,
            received_at_ms=arrival.received_at_ms,
            published_at_ms=now_ms,
            lateness_ms=arrival.received_at_ms - arrival.bar.opened_at_ms - self._interval.ms,
            filled=one.filled,
            drift=standing.drift,
            drifting=standing.drifting,
            bands=adapted,
            young=standing.young,
            engine=self._engine,
            trusted=not doubts,
            doubts=doubts,
        )


def with_markets(symbols: Sequence[str], markets: Sequence[str]) -> tuple[str, ...]:
    """The symbols whose bars are wanted: those to predict, and the markets that are read beside them."""
    return tuple(dict.fromkeys((*symbols, *markets)))


def _places(windows: Windows, some: Sequence[Stored]) -> tuple[npt.NDArray[np.int64], TimeArray]:
    positions_N = np.array([windows.index[one.arrival.bar.symbol] for one in some], np.int64)
    return positions_N, np.array([one.arrival.bar.opened_at_ms for one in some], np.int64)


def _parted(windows: Windows, asked: list[Stored], ahead: Ahead | None) -> tuple[list[Stored], list[Stored]]:
    """Those whose window was run ahead, and the others."""
    if ahead is None or not asked:
        return [], asked
    fits = ahead.fits(*_places(windows, asked)).tolist()
    return (
        [one for one, fit in zip(asked, fits, strict=True) if fit],
        [one for one, fit in zip(asked, fits, strict=True) if not fit],
    )


def _turns(arrivals: Sequence[Arrival]) -> list[list[Arrival]]:
    """Split so that no turn holds a symbol twice: each prediction sees the bars up to its own, not later ones."""
    turns: list[list[Arrival]] = []
    seen: Counter[str] = Counter()
    for arrival in arrivals:
        turn = seen[arrival.bar.symbol]
        seen[arrival.bar.symbol] += 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(arrival)
    return turns


def _key(one: Stored) -> tuple[str, int, int]:
    return one.arrival.bar.symbol, one.arrival.bar.opened_at_ms, one.revision


def _entry(one: Stored, message: Message | None) -> tuple[Entry, Message | None]:
    bar = one.arrival.bar
    raw = None if message is None else encode(message)
    return Entry(bar.symbol, bar.opened_at_ms, one.revision, bar.row, raw), message


def _finite(outputs: Mapping[str, Float32s], rows: int) -> npt.NDArray[np.bool_]:
    """(N,): whether all that the model said of each is a number."""
    finite_N = np.ones(rows, np.bool_)
    for values in outputs.values():
        finite_N &= np.isfinite(values.reshape(rows, -1)).all(axis=1)
    return finite_N


def _value(column: float | list[float]) -> float | tuple[float, ...]:
    return tuple(column) if isinstance(column, list) else column


def _joined(parts: Sequence[dict[str, Float32s]]) -> dict[str, Float32s]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}


def _newest(batch: Batch) -> list[bytes]:
    """Of each prediction, the newest row of every input."""
    if not batch.predicted:
        return []
    rows_NF = np.concatenate([values[:, -1] for values in batch.given.values()], axis=1).astype("<f4")
    return [row_F.tobytes() for row_F in rows_NF]
