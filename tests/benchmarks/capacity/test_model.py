"""The capacity model says what it was made of."""

import pytest

from benchmarks.capacity.model import QUANTITIES, Line, Use, derive, errors, need

ALWAYS, A_PROCESS, A_SYMBOL = 3.0, 0.5, 0.001


def a_use(symbols: int, processes: int = 1, updates: int = 0, factor: float = 1.0) -> Use:
    """What a world takes in which all is half of one a process, a thousandth a symbol, and of the server three more."""
    each = A_PROCESS * processes + A_SYMBOL * symbols
    took = {name: factor * (each + (0 if name.startswith("daemon") else ALWAYS)) for name in QUANTITIES}
    period_s = 1.0 + 2e-6 * updates * symbols
    return Use(symbols, processes, updates, 4, 1.0, 100.0, period_s, 6.0, 2_000.0, took)


def a_model():
    return derive([a_use(1_000), a_use(2_000), a_use(3_000), a_use(2_000, 2)], a_use(2_000, updates=30))


def test_a_model_of_one_process_says_what_several_take():
    model = a_model()
    for name, line in model.lines.items():
        assert (line.a_process, line.a_symbol) == pytest.approx((A_PROCESS, A_SYMBOL))
        assert line.always == pytest.approx(0 if name.startswith("daemon") else ALWAYS)
    assert model.update_s == pytest.approx(2e-6)
    assert model.stream_bytes == 2_000
    assert errors(model, a_use(5_000, processes=4)) == pytest.approx(dict.fromkeys(QUANTITIES, 0.0), abs=1e-9)
    assert errors(model, a_use(5_000, processes=4, factor=2.0)) == pytest.approx(dict.fromkeys(QUANTITIES, -0.5))


def test_what_is_needed_is_done_in_time():
    """100,000 symbols at a millisecond each, in processes that take half a second besides: 67 of them do it in two."""
    found = need(a_model(), 100_000, 2.0, 0)
    assert found is not None
    assert found.shards == 67
    assert Line(0.0, A_PROCESS, A_SYMBOL).at(100_000, found.shards) / found.shards <= 2
    assert found.primaries == 69
    assert found.daemon_cores_minute == pytest.approx((2 * 100 + 67) / 60)
    assert found.daemon_mib == pytest.approx(67 * A_PROCESS + 100)


def test_open_updates_may_need_more_than_a_close():
    quiet, loud = (need(a_model(), 100_000, 15.0, updates) for updates in (0, 3_000))
    assert quiet is not None
    assert loud is not None
    assert (quiet.shards, loud.shards) == (10, 14)


def test_what_no_number_of_shards_does_in_time_is_no_need():
    assert need(a_model(), 10, 0.4, 0) is None
