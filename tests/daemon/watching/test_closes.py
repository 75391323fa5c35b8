"""Closes are settled in the order of time, whole, and the same by whoever reads the stream."""

from collections.abc import Sequence

import msgspec
from builders import HOUR, a_message
from hypothesis import given, settings
from hypothesis import strategies as st

from core.prediction import Prediction
from daemon.watching.closes import LAG, Close, Closes


def said(number: int, symbol: str = "BTCUSDT", revision: int = 0) -> Prediction:
    return msgspec.structs.replace(a_message(number, symbol).prediction, revision=revision)


def spoken(closes: list[Close]) -> list[list[tuple[int, str, int]]]:
    return [[(of.opened_at_ms // HOUR.ms, of.symbol, of.revision) for of in one.predictions] for one in closes]


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


def read_until_nothing_is_late(stream: Sequence[Prediction]) -> tuple[list[Close], int]:
    """All that is settled before the last close, and how often the stream was read for it."""
    waits: dict[int, int] = {}
    for times in range(1, len(stream) + 2):
        closes = Closes(HOUR.ms, waits)
        found = closes.take(stream)
        if not closes.late:
            return found, times
        waits = closes.waits
    raise AssertionError("something is late however often the stream is read")


def test_a_daemon_that_was_away_for_days_publishes_symbol_by_symbol_and_a_second_reading_finds_whole_closes():
    first, missed = [said(1, "A"), said(1, "B")], [said(number, symbol) for symbol in "AB" for number in range(2, 90)]
    found, times = read_until_nothing_is_late([*first, *missed, said(90, "A"), said(90, "B")])
    assert times == 2
    assert settled(found) == [(number, ["A", "B"]) for number in range(1, 90)]


@settings(max_examples=50)
@given(st.data())
def test_whatever_the_order_of_the_stream_the_same_closes_are_settled_in_the_end(data: st.DataObject):
    hours, symbols = 60, "ABC"
    stream = [said(number, symbol) for number in range(1, hours + 1) for symbol in symbols]
    stream += [said(number, "B", revision=1) for number in data.draw(st.sets(st.integers(1, hours - 1)))]
    expected, _ = read_until_nothing_is_late(sorted(stream, key=lambda one: (one.opened_at_ms, one.revision)))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=8)))
    parts = [stream[first:end] for first, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    mixed = [one for part in data.draw(st.permutations(parts)) for one in part]
    # The last close of all shows that those before it have ended.
    last = [said(hours + 1, symbol) for symbol in symbols]
    found, _ = read_until_nothing_is_late([*mixed, *last])
    assert spoken(found)[:-1] == spoken(expected)
    assert len(found) == hours


def test_a_close_that_was_late_once_and_is_gone_from_the_stream_is_waited_for_to_its_end_only():
    closes = Closes(HOUR.ms, waits={HOUR.ms: 5})
    assert not closes.take([said(1), said(2), said(3)])
    closes.wait_no_more()
    assert settled(closes.take([said(4)])) == [(number, ["BTCUSDT"]) for number in (1, 2, 3)]
