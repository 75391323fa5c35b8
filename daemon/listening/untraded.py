"""Bars in which nothing was traded, built where a venue leaves them out."""

from collections.abc import Sequence

from core.bars import Bar, Interval


class Untraded(Bar, frozen=True, gc=False):
    """A bar of our own making: flat at the last close, without volume."""


def with_untraded(bars: Sequence[Bar], interval: Interval, until_ms: int) -> list[Bar]:
    """The bars of one symbol, oldest first, and one for each that is missing behind the first of them.

    Behind the last of them, those that open before `until_ms`.
    """
    whole: list[Bar] = []
    for bar in bars:
        whole += _missing(whole, interval, bar.opened_at_ms)
        whole.append(bar)
    return whole + _missing(whole, interval, until_ms)


def _missing(before: Sequence[Bar], interval: Interval, until_ms: int) -> list[Bar]:
    if not before:
        return []
    last = before[-1]
    return [
        Untraded(last.symbol, opened_at_ms, last.close, last.close, last.close, last.close, 0.0)
        for opened_at_ms in interval.between(interval.after(last.opened_at_ms), until_ms)
    ]
