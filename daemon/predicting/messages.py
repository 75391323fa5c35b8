"""From a batch's outputs to what is stored and published of it: id, outputs, where the model looked, doubts. Pure.

All messages of a part are made as one, whose fields hold columns: see daemon/predicting/words.py.
Shapes: N predictions, T window steps, F features.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from core.bands import Band, Margin, bands
from core.bars import OFF_A_SOCKET
from core.bundle import Manifest
from core.drift.statistics import openness
from core.outputs import Attention
from core.prediction import Context, Gaze, Message, Prediction, prediction_digests
from daemon.ports import Entry, Float32s, Standing
from daemon.predicting.batch import NOBODY, Batch, key_of
from daemon.predicting.behind import Stored
from daemon.predicting.gazing import Looks, gazes
from daemon.predicting.spoken import NOTHING, Spoken
from daemon.predicting.trust import Trust
from daemon.predicting.words import Form, Names, raw


class _Bars(msgspec.Struct, frozen=True):
    """The bars of N predictions, in columns."""

    predicted: Sequence[Stored]
    symbols: list[str]
    opened_at_ms: list[int]
    received_at_ms: list[int]
    late: list[bool]
    filled: list[int]


class Messages:
    """What one model says, in words. `top`: how many of the heaviest steps a message names."""

    def __init__(self, manifest: Manifest, digest: str, top: int, trust: Trust, engine: str) -> None:
        self._manifest = manifest
        self._digest = digest
        self._top = top
        self._trust = trust
        self._engine = engine
        self._interval = manifest.grid
        self._market_lag = max((one.lag for one in manifest.inputs), default=0)
        self._names = Names()

    def of(
        self, batch: Batch, outputs: Mapping[str, Float32s], now_ms: int, standing: Standing
    ) -> tuple[list[Entry], Spoken]:
        """What to store for every bar of this batch, and what goes out with it, in the order of these entries.

        `standing`: how the model stands.
        No message says a number that is not finite: JSON has none, and nobody could act on it.
        """
        places = _places(batch)
        finite = all(np.isfinite(values).all() for values in outputs.values())
        if not finite or batch.stored is not batch.predicted:
            rows = [row for row in np.argsort(places).tolist() if finite or _finite(outputs, row)]
            places = [places[row] for row in rows]
            batch, outputs = _those(batch, rows), {name: values[rows] for name, values in outputs.items()}
        spoken = self._spoken(batch, outputs, places, now_ms, standing) if places else NOTHING
        words: list[bytes | None] = [*spoken.words]
        if len(words) < len(batch.stored):
            words = [None] * len(batch.stored)
            for place, said in zip(places, spoken.words, strict=True):
                words[place] = said
        return [_entry(one, said) for one, said in zip(batch.stored, words, strict=True)], spoken

    def _spoken(
        self, batch: Batch, outputs: Mapping[str, Float32s], places: list[int], now_ms: int, standing: Standing
    ) -> Spoken:
        bars, form = _bars(batch.predicted), Form(len(batch.predicted))
        looked = {one.name: self._looks(form, one, outputs[one.name], bars, batch) for one in self._manifest.looks}
        said = self._prediction(form, bars, outputs, batch, {name: gaze for name, (gaze, _) in looked.items()})
        context = self._context(form, bars, outputs, batch, now_ms, standing)
        return Spoken(
            places,
            bars.symbols,
            bars.opened_at_ms,
            bars.received_at_ms,
            bars.late,
            bars.filled,
            now_ms,
            {one.name: outputs[one.name] for one in self._manifest.outputs},
            {name: looks for name, (_, looks) in looked.items()},
            form.words(Message(said, context)),
        )

    def _looks(self, form: Form, seen: Attention, weights: Float32s, bars: _Bars, batch: Batch) -> tuple[Gaze, Looks]:
        """One look for each prediction, over the steps that are there; a market's window ends earlier, and is whole."""
        steps, market = weights.shape[-1], seen.axes[-1] == "market"
        lag, reach_N = (self._market_lag, NOBODY) if market else (0, np.minimum(batch.reach, steps))
        return gazes(form, weights, bars.opened_at_ms, self._top, self._interval, lag, reach_N)

    def _prediction(
        self, form: Form, bars: _Bars, outputs: Mapping[str, Float32s], batch: Batch, gaze: dict[str, Gaze]
    ) -> Prediction:
        manifest = self._manifest
        opened, length_ms = bars.opened_at_ms, self._interval.ms
        revisions = [one.revision for one in bars.predicted]
        return Prediction(
            id=form.hex(prediction_digests(self._digest, manifest.interval, bars.symbols, opened, revisions)),
            model=manifest.name,
            version=manifest.version,
            digest=self._digest,
            symbol=form.names(bars.symbols, self._names),
            interval=manifest.interval,
            opened_at_ms=form.numbers(opened),
            closed_at_ms=form.numbers([at_ms + length_ms for at_ms in opened]),
            revision=form.numbers(revisions),
            close=form.numbers([one.arrival.bar.close for one in bars.predicted]),
            outputs={one.name: _numbers(form, outputs[one.name]) for one in manifest.outputs},
            gaze=gaze,
            gates={
                one.name: tuple(map(form.numbers, openness(outputs[one.name]).T.tolist())) for one in manifest.gates
            },
            newest=form.base64(raw(np.concatenate([values[:, -1] for values in batch.given.values()], axis=1))),
            bands=self._bands(form, manifest.margins, outputs),
            high=form.numbers([one.arrival.bar.high for one in bars.predicted]),
        )

    def _context(
        self, form: Form, bars: _Bars, outputs: Mapping[str, Float32s], batch: Batch, now_ms: int, standing: Standing
    ) -> Context:
        times = zip(bars.received_at_ms, bars.opened_at_ms, strict=True)
        lateness = [received - opened - self._interval.ms for received, opened in times]
        doubts = self._trust.doubts(bars.predicted, batch.given, standing.drifting, batch.reach)
        return Context(
            venue=form.each([one.arrival.venue for one in bars.predicted]),
            origin=form.each([one.arrival.origin for one in bars.predicted]),
            late=form.each(bars.late),
            received_at_ms=form.numbers(bars.received_at_ms),
            published_at_ms=now_ms,
            lateness_ms=form.numbers(lateness),
            filled=form.numbers(bars.filled),
            drift=standing.drift,
            drifting=standing.drifting,
            bands=self._bands(form, standing.margins, outputs),
            young=standing.young,
            engine=self._engine,
            trusted=form.each([not some for some in doubts]),
            doubts=form.each(doubts),
        )

    def _bands(self, form: Form, margins: Sequence[Margin], outputs: Mapping[str, Float32s]) -> dict[str, Any]:
        return {
            name: tuple(
                Band(one.coverage, form.numbers(one.low_N.tolist()), form.numbers(one.high_N.tolist())) for one in few
            )
            for name, few in bands(self._manifest.outputs, margins, outputs).items()
        }


def _bars(predicted: Sequence[Stored]) -> _Bars:
    arrivals = [one.arrival for one in predicted]
    return _Bars(
        predicted,
        [one.bar.symbol for one in arrivals],
        [one.bar.opened_at_ms for one in arrivals],
        [one.received_at_ms for one in arrivals],
        [one.origin not in OFF_A_SOCKET for one in arrivals],
        [one.filled for one in predicted],
    )


def _places(batch: Batch) -> list[int]:
    """Where each prediction is among what is stored."""
    if batch.stored is batch.predicted:
        return list(range(len(batch.stored)))
    place_of = {key_of(one): place for place, one in enumerate(batch.stored)}
    return [place_of[key_of(one)] for one in batch.predicted]


def _those(batch: Batch, rows: list[int]) -> Batch:
    """The same of some of its predictions alone, in this order, and of what the model was given only the newest row."""
    return msgspec.structs.replace(
        batch,
        predicted=tuple(batch.predicted[row] for row in rows),
        inputs={name: values[:, -1:][rows] for name, values in batch.inputs.items()},
        newest={name: values[rows] for name, values in batch.newest.items()},
        ahead=batch.ahead[rows] if len(batch.ahead) else batch.ahead,
        reach=batch.reach[rows] if len(batch.reach) else batch.reach,
    )


def _entry(one: Stored, words: bytes | None) -> Entry:
    bar = one.arrival.bar
    return Entry(bar.symbol, bar.opened_at_ms, one.revision, bar.row, words)


def _finite(outputs: Mapping[str, Float32s], row: int) -> bool:
    """Whether all that the model said of it is a number."""
    return all(np.isfinite(values[row]).all() for values in outputs.values())


def _numbers(form: Form, values: Float32s) -> Any:
    """Of each row a number, or several."""
    return form.numbers(values.tolist()) if values.ndim == 1 else tuple(map(form.numbers, values.T.tolist()))
