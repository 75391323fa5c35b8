"""Spans of time that were fetched, and those that still have to be. Pure."""

from collections.abc import Iterable

Span = tuple[int, int]
"""[from, to) in Unix milliseconds."""


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same time in as few spans as tell it, oldest first."""
    whole: list[Span] = []
    for begun_ms, ended_ms in sorted(span for span in spans if span[0] < span[1]):
        if whole and begun_ms <= whole[-1][1]:
            whole[-1] = whole[-1][0], max(whole[-1][1], ended_ms)
        else:
            whole.append((begun_ms, ended_ms))
    return whole


def missing(wanted: Span, had: Iterable[Span]) -> list[Span]:
    """What of a span is in none of those that were had, oldest first."""
    at_ms, until_ms = wanted
    gaps: list[Span] = []
    for begun_ms, ended_ms in merged(had):
        if begun_ms > at_ms:
            gaps.append((at_ms, min(begun_ms, until_ms)))
        at_ms = max(at_ms, ended_ms)
    gaps.append((at_ms, until_ms))
    return [gap for gap in gaps if gap[0] < gap[1]]
