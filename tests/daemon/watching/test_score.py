"""Predictions are scored against what came of them, beside baselines, and margins follow the outcomes."""

import math

import msgspec
import numpy as np
import pytest
from builders import HOUR, a_message

from core.bands import Band, Margin
from core.outputs import Kind, Output
from core.prediction import Prediction
from daemon.watching.closes import Close
from daemon.watching.score import Score

SYMBOLS = tuple("ABCDEF")


def a_close(number: int, closes: np.ndarray, said: np.ndarray, output: str, **changes: object) -> Close:
    def one(at: int, symbol: str) -> Prediction:
        prediction = a_message(number, symbol).prediction
        told = {"close": float(closes[at]), "outputs": {output: float(said[at])}}
        return msgspec.structs.replace(prediction, **(told | changes))

    return Close(number * HOUR.ms, tuple(one(at, symbol) for at, symbol in enumerate(SYMBOLS)))


def a_market(closes: int, seed: int = 1) -> np.ndarray:
    """Closing prices (closes, symbols): random walks."""
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, (closes, len(SYMBOLS))), axis=0))


def scored(output: Output, foresight: float, closes: int = 400, margins: tuple[Margin, ...] = (), **changes: object):
    """A score of forecasts that know this share of what comes."""
    prices = np.log(a_market(closes + output.horizon))
    score = Score([output], margins, HOUR)
    chance = np.random.default_rng(2)
    for number in range(closes):
        coming = prices[number + output.horizon] - prices[number]
        said = foresight * coming + (1 - abs(foresight)) * chance.normal(0, 0.002, len(SYMBOLS))
        if output.kind is Kind.DIRECTION:
            said = 1 / (1 + np.exp(-100 * said))
        score.take(a_close(number, np.exp(prices[number]), said, output.name, **changes))
    return score.records[output.name]


RETURN = Output(Kind.RETURN, 1)


def test_a_forecast_is_scored_by_what_came_when_its_horizon_is_over():
    score = Score([RETURN], (), HOUR)
    rising, falling = np.full(6, 0.02), np.full(6, -0.01)
    assert score.take(a_close(1, np.full(6, 100.0), rising, "return_1")) == {}
    losses = score.take(a_close(2, np.full(6, 110.0), falling, "return_1"))
    assert losses == {"return_1": pytest.approx(math.log(1.1) - 0.02)}
    averages = score.records["return_1"].averages
    assert averages["accuracy"].mean == 1.0
    assert averages["mae of zero"].mean == pytest.approx(math.log(1.1))
    assert averages["skill over zero"].mean == pytest.approx(0.02 / (2 * math.log(1.1) - 0.02))


@pytest.mark.parametrize("kind", [Kind.RETURN, Kind.DIRECTION, Kind.TREND])
@pytest.mark.parametrize(("foresight", "verdict"), [(0.6, 1), (0.0, 0), (-0.6, -1)])
def test_better_than_nothing_is_said_of_what_is_and_of_nothing_else(kind: Kind, foresight: float, verdict: int):
    assert scored(Output(kind, 1), foresight).verdict in ({verdict, -1} if foresight == 0 else {verdict})


def test_intervals_and_bets_take_every_24th_close_averages_all():
    record = scored(Output(Kind.RETURN, 24), 0.5)
    assert record.averages["accuracy"].count == 400 - 24
    assert record.means["accuracy"].count == record.bet.count == len(range(24, 400, 24))


def test_a_rank_correlation_needs_symbols_to_rank():
    assert scored(RETURN, 0.9).averages["ic"].mean > 0.5
    assert scored(RETURN, -0.9).averages["ic"].mean < -0.5


def test_the_coverage_of_bands_that_were_sent_is_counted():
    record = scored(RETURN, 0.0, bands={"return_1": (Band(0.5, -0.00674, 0.00674), Band(0.9, -1.0, 1.0))})
    assert record.averages["coverage of 0.9"].mean == 1.0
    assert record.averages["coverage of 0.5"].mean == pytest.approx(0.5, abs=0.05)
    low, high = record.means["coverage of 0.5"].interval
    assert low < 0.5 < high


@pytest.mark.parametrize("begin", [0.0001, 0.1])
def test_a_margin_that_is_wrong_finds_its_coverage(begin: float):
    record = scored(RETURN, 0.0, closes=1_500, margins=(Margin("return_1", 0.8, begin, 100),))
    (margin,) = record.margins
    assert margin.value == pytest.approx(1.2816 * 0.0102, rel=0.15)


def test_margins_are_young_until_they_have_seen_enough_outcomes():
    margins = (Margin("return_1", 0.8, 0.01, 100),)
    prices, score = a_market(110), Score([RETURN], margins, HOUR)
    young = []
    for number in range(110):
        score.take(a_close(number, prices[number], np.zeros(6), "return_1"))
        young.append(score.young == ("return_1",))
    # The first close has no outcome yet.
    assert young == [True] * 100 + [False] * 10
    assert Score([RETURN], (), HOUR).young == ()


@pytest.mark.parametrize("kind", [Kind.DIRECTION, Kind.TREND])
def test_margins_of_other_kinds_than_returns_follow_their_outcomes(kind: Kind):
    output = Output(kind, 1)
    record = scored(output, 0.0, closes=200, margins=(Margin(output.name, 0.8, 0.001, 100),))
    (margin,) = record.margins
    assert margin.value > 0.001
