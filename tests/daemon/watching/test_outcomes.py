"""What came to be is what training would have called it, of whatever an output may foretell."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from builders import HOUR, a_message

from core import barfile, scoring
from core.barfile import SymbolBars
from core.bars import CLOSE, HIGH, Interval
from core.outputs import Kind, Output
from core.sessions import Sessions
from daemon.watching.closes import Close
from daemon.watching.outcomes import Outcomes
from training import recipe
from training.data import labels

BARS = 200
SESSIONS = Sessions.of(HOUR, [(day * 24 * HOUR.ms, 16) for day in range(100)])
"""Sixteen hours of every day."""
SOME = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
ASKED = recipe.Label(
    kind=tuple(labels.LABELS), horizons=(1, 6), threshold=0.01, dead_zone=0.002, edges=(-0.01, 0.0, 0.01)
)


@pytest.fixture(scope="module")
def market(shared_data: Path) -> list[SymbolBars]:
    file = barfile.read(shared_data / "bars" / "binance_usdm_1h_2023_2025h1.parquet", "1h")
    return [
        msgspec.structs.replace(of, opened_at_ms=of.opened_at_ms[:BARS], rows=of.rows[:BARS])
        for of in (file.symbols[symbol] for symbol in SOME)
    ]


def the_close(at: int, market: Sequence[SymbolBars], outputs: Sequence[Output]) -> Close:
    """Every symbol says nothing in particular of the bar with this number."""
    said = {one.name: (0.5,) * one.width if one.levels else 0.5 for one in outputs}
    some = []
    for of in market:
        row, opened_at_ms = of.rows[at], int(of.opened_at_ms[at])
        told = {"close": float(row[CLOSE]), "high": float(row[HIGH]), "outputs": said, "opened_at_ms": opened_at_ms}
        some.append(msgspec.structs.replace(a_message(at, of.symbol).prediction, **told))
    return Close(int(market[0].opened_at_ms[at]), tuple(some))


@pytest.mark.parametrize("grid", [HOUR, SESSIONS], ids=["around the clock", "where the venue closes"])
def test_every_label_of_training_comes_out_live_as_it_does_there(market: list[SymbolBars], grid: Interval):
    times = grid.between(0, 2 * BARS * HOUR.ms)[:BARS]
    market = [SymbolBars(of.symbol, np.array(times), of.rows[:BARS]) for of in market]
    outputs = labels.outputs(ASKED)
    expected = [labels.targets(of.rows, ASKED) for of in market]
    outcomes = Outcomes(outputs, grid)
    compared = dict.fromkeys((one.name for one in outputs), 0)
    for at in range(BARS):
        outcomes.keep(the_close(at, market, outputs))
        for output in outputs:
            matured = outcomes.matured(output, int(market[0].opened_at_ms[at]))
            if matured is None:
                continue
            assert matured.symbols == SOME
            training_N = np.array([of[output.name][at - output.horizon] for of in expected])
            came_N = scoring.came(output, matured.course)
            np.testing.assert_allclose(came_N, training_N, atol=1e-12)
            compared[output.name] += int(np.isfinite(came_N).sum())
    assert all(count > BARS for count in compared.values()), compared


def test_an_event_of_prices_that_were_not_told_is_not_known(market: list[SymbolBars]):
    winner = Output(Kind.PROBABILITY, 1, edges=(0.01,))
    outcomes = Outcomes([winner], HOUR)
    for at in range(2):
        close = the_close(at, market, [winner])
        before = tuple(msgspec.structs.replace(one, high=None) for one in close.predictions)
        outcomes.keep(Close(close.opened_at_ms, before))
    matured = outcomes.matured(winner, int(market[0].opened_at_ms[1]))
    assert matured is not None
    assert np.isnan(scoring.came(winner, matured.course)).all()
    untold = Output(Kind.PROBABILITY, 1)
    assert np.isnan(scoring.came(untold, matured.course)).all()


def test_a_symbol_that_came_later_is_no_outcome_of_what_nobody_said(market: list[SymbolBars]):
    output = Output(Kind.RETURN, 1)
    outcomes = Outcomes([output], HOUR)
    outcomes.keep(the_close(0, market[:2], [output]))
    outcomes.keep(the_close(1, market[::-1], [output]))
    matured = outcomes.matured(output, int(market[0].opened_at_ms[1]))
    assert matured is not None
    assert sorted(matured.symbols) == sorted(SOME[:2])
    first = matured.symbols.index("BTCUSDT")
    assert matured.course.now[first] == market[0].rows[1, CLOSE]
    assert np.isnan(matured.course.before).all()


def test_no_more_closes_are_kept_than_outcomes_need(market: list[SymbolBars]):
    output = Output(Kind.RETURN, 3)
    outcomes = Outcomes([output], HOUR)
    for at in range(20):
        outcomes.keep(the_close(at, market, [output]))
    assert len(outcomes.closes) == 2 * 3 + 1
    assert sum(bool(kept.said) for kept in outcomes.closes.values()) == 3 + 1
