"""Each kind of output is scored by what came of it, beside a baseline; better forecasts score better."""

import math

import numpy as np
import pytest

from core import scoring
from core.outputs import Kind, Output
from core.scoring import Outcome

CHANCE = np.random.default_rng(4)
CAME = {
    Kind.RETURN: CHANCE.normal(0, 0.01, 400),
    Kind.QUANTILES: CHANCE.normal(0, 0.01, 400),
    Kind.TREND: np.tanh(CHANCE.normal(0, 1, 400)),
    Kind.DIRECTION: (CHANCE.random(400) < 0.5).astype(float),
    Kind.PROBABILITY: (CHANCE.random(400) < 0.2).astype(float),
    Kind.ORDINAL: CHANCE.integers(0, 3, 400).astype(float),
}
USUAL = {Kind.ORDINAL: np.full(3, 1 / 3), Kind.PROBABILITY: np.array([0.2])}
NOT_KNOWN = np.full(400, np.nan)


def an_output(kind: Kind) -> Output:
    levels = {Kind.QUANTILES: (0.1, 0.5, 0.9), Kind.ORDINAL: (0.0, 1.0, 2.0)}.get(kind, ())
    return Output(kind, 1, levels=levels, edges=(-0.01, 0.01) if kind is Kind.ORDINAL else ())


def said_of(kind: Kind, came_N: np.ndarray, knowing: float) -> np.ndarray:
    """A forecast that knows this share of what comes, and else what usually does."""
    if kind is Kind.ORDINAL:
        return knowing * np.eye(3)[came_N.astype(int)] + (1 - knowing) / 3
    usual = {Kind.DIRECTION: 0.5, Kind.PROBABILITY: 0.2}.get(kind, 0.0)
    middle_N = usual + knowing * (came_N - usual)
    wide = 0.013 if kind is Kind.QUANTILES else 0.0
    return np.stack([middle_N - wide, middle_N, middle_N + wide], axis=1) if wide else middle_N[:, np.newaxis]


def judged(kind: Kind, knowing: float) -> tuple[dict[str, float], float]:
    output = an_output(kind)
    outcome = Outcome(said_of(kind, CAME[kind], knowing), CAME[kind], NOT_KNOWN, USUAL.get(kind, np.array([0.5])))
    return scoring.measures(output, outcome), scoring.loss(output, outcome)


@pytest.mark.parametrize("kind", list(CAME))
def test_who_knows_what_comes_is_better_than_nothing_and_who_turns_it_round_is_worse(kind: Kind):
    measure = scoring.BETTER[kind]
    wrong, knows = (judged(kind, knowing) for knowing in (-0.2, 0.8))
    assert knows[0][measure] > 0 > wrong[0][measure]
    assert knows[1] < wrong[1]


@pytest.mark.parametrize("kind", [kind for kind in CAME if kind is not Kind.TREND])
def test_the_baseline_itself_has_no_skill(kind: Kind):
    assert judged(kind, 0.0)[0][scoring.BETTER[kind]] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("kind", [*CAME, Kind.DEVIATION])
def test_every_measure_lies_within_its_bounds(kind: Kind):
    output = an_output(kind)
    came_N = CAME.get(kind, CAME[Kind.RETURN])
    said = said_of(kind, came_N, 0.5) if kind in CAME else np.abs(came_N)[:, np.newaxis]
    told = scoring.measures(output, Outcome(said, came_N, came_N, USUAL.get(kind, np.array([0.5]))))
    assert scoring.BETTER[kind] in told
    for measure, value in told.items():
        low, high = scoring.bounds(measure)
        assert low <= value <= high, measure


def test_a_ranked_probability_score_by_hand():
    outcome = Outcome(np.array([[0.2, 0.3, 0.5]]), np.array([1.0]), np.full(1, np.nan), np.array([0.25, 0.5, 0.25]))
    told = scoring.measures(an_output(Kind.ORDINAL), outcome)
    assert told["ranked probability score"] == pytest.approx((0.2**2 + 0.5**2) / 2)
    assert told["skill over the base rate"] == pytest.approx(0.25**2 - (0.2**2 + 0.5**2) / 2)
    assert told["accuracy"] == 0.0
    assert told["accuracy over the majority"] == -1.0


def test_the_size_of_returns_is_scored_by_the_crps_of_normal_ones():
    """At an outcome of zero the score is (sqrt(2) - 1) / sqrt(pi) deviations; and whoever tells calm from wild wins."""
    deviation = Output(Kind.DEVIATION, 1)
    flat = Outcome(np.full((4, 1), 0.02), np.zeros(4), np.full(4, np.nan), np.array([np.nan]))
    assert scoring.errors(deviation, flat)["crps"] == pytest.approx(0.02 * (math.sqrt(2) - 1) / math.sqrt(math.pi))
    size_N = np.where(np.arange(4_000) % 2, 0.01, 0.03)
    came_N = np.random.default_rng(3).normal(0, size_N)
    usual = np.array([(came_N**2).mean()])
    told = scoring.measures(deviation, Outcome(size_N[:, np.newaxis], came_N, came_N, usual))
    assert told["skill over the usual size"] > 0
    assert told["coverage of one deviation"] == pytest.approx(0.683, abs=0.02)
    assert told["ic"] > 0.3
