"""Bars taken into the windows: the fate of each, and the bars that can be predicted now because it came. Pure."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

from core.bars import Arrival, Bar, Origin
from core.inputs import Inputs
from core.windows import STORED, Fate, Windows
from daemon.predicting.behind import Behind, Stored

_BURST: Final = 16
"""So many bars at once are placed faster together than one by one."""


class Intake:
    """Takes in the bars of one batch, turn by turn. `fates` and `early` are what became of them so far."""

    def __init__(self, windows: Windows, inputs: Inputs, behind: Behind, now_ms: int | None) -> None:
        self.fates: Counter[Fate] = Counter()
        self.early: list[Arrival] = []
        self._windows = windows
        self._inputs = inputs
        self._behind = behind
        self._now_ms = now_ms
        self._stored: dict[tuple[str, int, int], Stored] = {}
        self._healed = False
        self._predicted: list[Stored] = []
        self._said_keys: set[tuple[str, int, int]] = set()

    @property
    def stored(self) -> tuple[Stored, ...]:
        """Every bar to keep, each revision once: those that are new, and those that are predicted."""
        return tuple(self._stored.values())

    def take(self, turn: Sequence[Arrival], broken: Collection[str]) -> list[Stored]:
        """Give bars of different symbols their places; returns those that are new, and those they make whole."""
        complete_ms = self._behind.complete_ms(self._windows) if self._inputs.breadths else 0
        whole = turn
        placed, turn = self._fresh(turn)
        healed: list[Stored] = []
        for arrival in turn:
            fate = self._windows.judge(arrival.bar, self._now_ms)
            self.fates[fate] += 1
            if fate is Fate.EARLY and arrival.bar.symbol not in broken:
                self.early.append(arrival)
            elif fate in STORED or fate is Fate.EARLY:
                placed.append(Stored(arrival, self._windows.put(arrival.bar)))
                if fate is Fate.FILLED:
                    healed += self._unsaid(arrival, arrival.bar.symbol, 1)
                    placed += self._said_broken(arrival)
                if fate is not Fate.REVISED:
                    healed += self._beside(arrival)
        if self._inputs.breadths:
            new = {_key(one) for one in placed}
            healed += [one for one in self._completed(whole[-1], complete_ms) if _key(one) not in new]
        self._stored |= {_key(one): one for one in placed}
        if not healed:
            return placed
        self._healed = True
        # A bar may have waited for its own symbol and for a market at once.
        return list({_key(one): one for one in placed + healed}.values())

    def _fresh(self, turn: Sequence[Arrival]) -> tuple[list[Stored], Sequence[Arrival]]:
        """Give the bars of a burst their places at once, where nothing waits for any of them; and the other bars."""
        if len(turn) < _BURST or self._inputs.markets or self._inputs.breadths:
            return [], turn
        fresh_N = self._windows.put_fresh([arrival.bar for arrival in turn], self._now_ms).tolist()
        placed = [Stored(arrival, 0) for arrival, fresh in zip(turn, fresh_N, strict=True) if fresh]
        if placed:
            self.fates[Fate.FRESH] += len(placed)
        return placed, [arrival for arrival, fresh in zip(turn, fresh_N, strict=True) if not fresh]

    def predicted(self, some: Sequence[Stored]) -> None:
        """These are predicted in this batch, though the windows do not know yet that they went out."""
        if self._healed:
            for one in some:
                self._stored.setdefault(_key(one), one)
        self._predicted += some

    def _said(self) -> set[tuple[str, int, int]]:
        """The keys of what is predicted: few batches ever ask for them."""
        self._said_keys.update(map(_key, self._predicted))
        self._predicted.clear()
        return self._said_keys

    def _unsaid(self, filler: Arrival, symbol: str, after: int) -> list[Stored]:
        """Bars of a symbol, from so many after this one, that went unpredicted."""
        from_ms = self._windows.interval.after(filler.bar.opened_at_ms, after)
        waiting = [_late(bar, filler, revision) for bar, revision in self._windows.unpublished(symbol, from_ms)]
        return [one for one in waiting if _key(one) not in self._said()]

    def _said_broken(self, filler: Arrival) -> list[Stored]:
        """Revisions of later bars that were predicted from a window without this one, and have it unbroken now."""
        symbol, filler_ms = filler.bar.symbol, filler.bar.opened_at_ms
        until_ms = self._windows.interval.after(filler_ms, self._inputs.bars_needed)
        said = [
            bar
            for bar, revision, published in self._windows.between(symbol, filler_ms + 1, until_ms)
            if published == revision or (symbol, bar.opened_at_ms, revision) in self._said()
        ]
        if not said:
            return []
        opened_N = np.array([bar.opened_at_ms for bar in said], np.int64)
        reached_N = self._behind.reached(self._windows, symbol, opened_N, filler_ms)
        again = [bar for bar, reached in zip(said, reached_N, strict=True) if reached]
        return [_late(bar, filler, self._windows.put(bar)) for bar in again]

    def _beside(self, arrival: Arrival) -> list[Stored]:
        """Bars of other symbols that waited for this one of a market, once the market's window is whole."""
        healed: list[Stored] = []
        for market in self._inputs.markets:
            if market.symbol != arrival.bar.symbol:
                continue
            if not self._windows.full([market.symbol], market.bars_needed):
                continue
            first_ms = self._windows.interval.after(arrival.bar.opened_at_ms, market.lag)
            for symbol in self._windows.with_unpublished(first_ms):
                healed += self._unsaid(arrival, symbol, market.lag)
        return healed

    def _completed(self, arrival: Arrival, complete_ms: int) -> list[Stored]:
        """Bars that waited for the last member of a breadth, now that all have come further than this."""
        if self._behind.complete_ms(self._windows) <= complete_ms:
            return []
        lag = min(one.lag for one, _ in self._inputs.breadths)
        from_ms = self._windows.interval.after(complete_ms, lag) + 1
        waiting = [
            _late(bar, arrival, revision)
            for symbol in self._windows.with_unpublished(from_ms)
            for bar, revision in self._windows.unpublished(symbol, from_ms)
        ]
        return [one for one in waiting if _key(one) not in self._said()]


def _late(bar: Bar, filler: Arrival, revision: int) -> Stored:
    return Stored(Arrival(bar, filler.venue, filler.received_at_ms, Origin.BACKFILLED), revision)


def _key(one: Stored) -> tuple[str, int, int]:
    return one.arrival.bar.symbol, one.arrival.bar.opened_at_ms, one.revision
