"""Closes are settled in the order of time, whole, and the same by whoever reads the stream."""

import msgspec
from builders import HOUR, a_message

from core.prediction import Prediction
from daemon.watching.closes import LAG, Close, Closes


def said(number: int, symbol: str = "BTCUSDT", revision: int = 0) -> Prediction:
    return msgspec.structs.replace(a_message(number, symbol).prediction, revision=revision)


def settled(closes: list[Close]) -> list[tuple[int, list[str]]]:
    return [(one.opened_at_ms // HOUR.ms, [said.symbol for said in one.predictions]) for one in closes]


def test_a_close_is_settled_by_the_first_word_of_the_next():
    closes = Closes(HOUR.ms)
    assert not closes.take([said(1, "B"), said(1, "A")])
    assert settled(closes.take([said(2, "A")])) == [(1, ["A", "B"])]


def test_a_close_that_lacks_a_symbol_waits_for_it_and_the_later_ones_behind_it():
    closes = Closes(HOUR.ms)
    closes.take([said(1, "A"), said(1, "B"), said(2, "A"), said(3, "A"), said(3, "B")])
    assert settled(closes.take([said(4, "A")])) == []
    assert settled(closes.take([said(2, "B")])) == [(2, ["A", "B"]), (3, ["A", "B"])]


def test_a_symbol_that_is_gone_for_good_holds_nothing_up_for_long():
    closes = Closes(HOUR.ms)
    found = closes.take([said(1, "A"), said(1, "B"), *(said(number, "A") for number in range(2, LAG + 4))])
    assert settled(found) == [(1, ["A", "B"]), *((number, ["A"]) for number in range(2, LAG + 3))]


def test_backfill_symbol_by_symbol_gives_whole_closes():
    closes = Closes(HOUR.ms)
    closes.take([said(1, "A"), said(1, "B")])
    missed = [said(number, symbol) for symbol in "AB" for number in range(2, 10)]
    assert settled(closes.take(missed)) == [(number, ["A", "B"]) for number in range(1, 9)]


def test_the_newest_revision_counts_and_what_comes_after_its_close_is_counted_as_late():
    closes = Closes(HOUR.ms)
    (first,) = closes.take([said(1), said(1, revision=1), said(2)])
    assert [one.revision for one in first.predictions] == [1]
    assert not closes.take([said(1, revision=2)])
    assert closes.late == 1


def test_however_the_stream_is_cut_the_same_closes_come_of_it():
    stream = [said(number, symbol) for number in range(1, 30) for symbol in "ABC"]
    whole, cut = Closes(HOUR.ms), Closes(HOUR.ms)
    assert whole.take(stream) == [close for one in stream for close in cut.take([one])]
