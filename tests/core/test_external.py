"""External records count from when they became known, and nothing that came later is seen."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.external import External, Records

HOUR_MS = 3_600_000
MOOD = External("mood", "series", 6 * HOUR_MS)
FAIR = External("fair", "event", 10 * HOUR_MS)
BARS = 40
CLOSED = np.arange(1, BARS + 1, dtype=np.int64) * HOUR_MS


def records_of(*told: "Row") -> Records:
    """Records of (name, symbol, hour known, hour of the event, value)."""
    names, symbols = [one[0] for one in told], [one[1] for one in told]
    known, at = (np.array([round(one[place] * HOUR_MS) for one in told], np.int64) for place in (2, 3))
    return Records(names, symbols, known, at, np.array([one[4] for one in told], np.float64))


def columns(records: Records, *wanted: External, symbol: str = "BTCUSDT"):
    return records.columns(wanted or (MOOD,), symbol, CLOSED)


def test_a_series_is_the_last_value_known_until_it_is_too_old():
    found = columns(records_of(("mood", "", 3, 0, 0.5), ("mood", "", 5.5, 0, -2.0)))
    known = found[:, 1].astype(bool)
    assert CLOSED[known].tolist() == [hour * HOUR_MS for hour in range(3, 12)]
    assert found[2:5, 0].tolist() == [0.5] * 3
    assert found[5:11, 0].tolist() == [-2.0] * 6
    assert not found[11:].any()


def test_a_value_counts_after_its_delay_and_a_withdrawn_one_not_at_all():
    late = External("mood", "series", 6 * HOUR_MS, delay_ms=2 * HOUR_MS, missing=9.0)
    found = columns(records_of(("mood", "", 3, 0, 0.5), ("mood", "", 6, 0, np.nan)), late)
    assert found[:, 0].tolist() == [9.0] * 4 + [0.5] * 3 + [9.0] * (BARS - 7)


def test_an_event_is_told_from_when_it_was_announced():
    found = columns(records_of(("fair", "", 5, 20, 0.0), ("fair", "", 8, 12, 0.0)), FAIR)
    until, since = found[:, 0] * 10, found[:, 1] * 10
    np.testing.assert_allclose(until[:12], [10] * 7 + [4, 3, 2, 1, 8])
    np.testing.assert_allclose(until[12:20], [7, 6, 5, 4, 3, 2, 1, 10])
    np.testing.assert_allclose(since[10:20], [10, 0, 1, 2, 3, 4, 5, 6, 7, 0])


def test_an_event_announced_when_it_is_over_is_told_from_then_on():
    found = columns(records_of(("fair", "", 15, 12, 0.0)), FAIR)
    assert (found[:14] == 1.0).all()
    np.testing.assert_allclose(found[14:18, 1] * 10, [3, 4, 5, 6])


def test_a_symbol_has_its_own_records_and_those_of_all():
    records = records_of(("mood", "", 3, 0, 0.5), ("mood", "ETHUSDT", 5, 0, 7.0))
    assert columns(records)[6, 0] == 0.5
    assert columns(records, symbol="ETHUSDT")[3:7, 0].tolist() == [0.5, 7.0, 7.0, 7.0]


Row = tuple[str, str, float, float, float]
TOLD = st.lists(
    st.tuples(
        st.sampled_from(["mood", "fair"]),
        st.sampled_from(["", "BTCUSDT", "ETHUSDT"]),
        st.integers(-20, 4 * BARS).map(lambda quarter: quarter / 4),
        st.integers(-20, 4 * BARS).map(lambda quarter: quarter / 4),
        st.sampled_from([0.25, -3.0, np.nan]),
    ),
    max_size=12,
)


@given(told=TOLD, hour=st.integers(1, BARS), symbol=st.sampled_from(["BTCUSDT", "ETHUSDT", "SOLUSDT"]))
def test_what_becomes_known_later_changes_nothing(told: list[Row], hour: int, symbol: str):
    """Told or not, whatever it says, and however long ago it happened."""
    every = columns(records_of(*told), MOOD, FAIR, symbol=symbol)
    known = columns(records_of(*(one for one in told if one[2] <= hour)), MOOD, FAIR, symbol=symbol)
    assert every[:hour].tobytes() == known[:hour].tobytes()


@given(told=TOLD, start=st.integers(0, BARS - 1), length=st.integers(1, 8))
def test_windows_of_many_symbols_have_the_bits_of_one_history(told: list[Row], start: int, length: int):
    records = records_of(*told)
    symbols = ["BTCUSDT", "SOLUSDT", "ETHUSDT", "SOLUSDT"]
    length = min(length, BARS - start)
    closed_NT = np.tile(CLOSED[start : start + length], (len(symbols), 1))
    closed_NT[3] += 7 * HOUR_MS
    found = records.rows((MOOD, FAIR), symbols, closed_NT)
    for row, symbol in enumerate(symbols):
        alone = records.columns((MOOD, FAIR), symbol, np.arange(1, 3 * BARS, dtype=np.int64) * HOUR_MS)
        first = int(closed_NT[row, 0]) // HOUR_MS - 1
        assert found[row].tobytes() == alone[first : first + length].tobytes()


def test_the_order_of_the_file_decides_between_two_that_became_known_together():
    assert columns(records_of(("mood", "", 3, 0, 1.0), ("mood", "", 3, 0, 2.0)))[4, 0] == 2.0
