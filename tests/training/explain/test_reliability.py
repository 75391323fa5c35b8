from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from looks import Pointing, silent, speaking

from training.explain import explaining, reliability
from training.explain.explaining import Explained
from training.explain.reads import Reads
from training.explain.subject import Subject


def test_a_model_that_shows_where_it_looks_may_be_read(honest: Explained):
    judged = honest.report.attentions[0].reliability
    assert judged.verdict == "yes"
    assert judged.over_chance.above_zero
    assert judged.over_another.above_zero
    assert judged.best_shift == 0
    assert "may be read as an explanation of what the model uses" in judged.sentence


def test_a_model_that_shows_another_look_must_not_be_read(run_subject: Subject, bars_path: Path):
    told = explaining.explain(speaking(Pointing(honest=False), run_subject), bars_path, None, 20_000, None, silent)
    judged = told.report.attentions[0].reliability
    assert judged.verdict == "no"
    assert "must not be read" in judged.sentence


@pytest.mark.parametrize(("weights", "expected"), [(10_000, 240), (7_500_000, 120), (100_000_000, 60)])
def test_of_a_wide_network_fewer_predictions_are_tested(honest: Explained, weights: int, expected: int):
    """Windows of 8 steps: 240 predictions up to 3.75 million weights."""
    model = torch.nn.Module()
    model.register_parameter("weights", torch.nn.Parameter(torch.empty(weights, device="meta")))
    of = honest.predictions
    wide = msgspec.structs.replace(of, subject=msgspec.structs.replace(of.subject, model=model))
    assert reliability.affordable(wide) == expected


def test_even_attention_has_nothing_to_read(honest: Explained):
    of = honest.predictions
    even = np.full((len(of), 8), 1 / 8, np.float32)
    judged = reliability.judge(of, even, honest.tested)
    assert judged.verdict == "nothing to read"
    assert "nothing to read" in judged.sentence


def test_the_same_look_for_all_tells_only_where_it_usually_looks(honest: Explained):
    of = honest.predictions
    newest = np.zeros((len(of), 8), np.float32)
    newest[:, -1] = 1.0

    def last_return(x: Reads) -> np.typing.NDArray[np.float64]:
        return x[0][:, -1, 0].astype(np.float64)

    tested = reliability.prepare(of, last_return, lambda _: None)
    assert reliability.judge(of, newest, tested).verdict == "only on average"


def test_attention_that_lies_two_bars_after_is_found_two_bars_back(honest: Explained):
    of = honest.predictions
    shifted = np.zeros_like(of.looks[0].profile_NT)
    shifted[:, 2:] = of.looks[0].profile_NT[:, :-2] + 1e-6
    assert reliability.judge(of, shifted, honest.tested).best_shift == 2


def test_taking_every_step_away_moves_as_far_in_any_order(honest: Explained):
    judged = honest.report.attentions[0].reliability
    curves = {curve.way: curve.moved for curve in judged.deletion}
    assert curves["attention"][0] > curves["chance"][0] > curves["least attention"][0]
    assert curves["attention"][-1] == pytest.approx(max(curves["attention"]), rel=0.2)


def test_attention_that_is_nearly_even_may_be_read_for_its_order_alone(honest: Explained):
    of = honest.predictions
    faint = (0.86 / 8 + 0.14 * of.looks[0].profile_NT).astype(np.float32)
    judged = reliability.judge(of, faint, honest.tested)
    assert judged.verdict == "with care"
    assert "its sizes do not say how much" in judged.sentence
    assert judged.weight.value < honest.report.attentions[0].reliability.weight.value
    assert judged.even_weight == 1 / 8
