import numpy as np
import pytest

from core.bars import CLOSE
from core.errors import DataError
from core.outputs import Kind, Output
from training.explain import predictions
from training.explain.explaining import Explained
from training.explain.upward import confidence, upward
from training.judging import predicting
from training.runs.run import Run


def test_forecasts_and_attention_are_those_of_an_evaluation(explained: Explained, trained: Run):
    of = explained.predictions
    said = predicting.predict(trained.model, of.samples)
    assert np.abs(of.forecast_N - said["return_1"]).max() < 1e-7
    assert np.abs(of.looks[0].profile_NT - said["attention"]).max() < 1e-6


def test_only_windows_from_the_test_part_on_are_explained(explained: Explained, trained: Run):
    of = explained.predictions
    first = int(of.samples.opened_at_ms.min()) - (of.panel.bars_needed - 1) * of.panel.interval.ms
    assert first == trained.training.spans["test"][0]


def test_what_came_is_the_return_of_the_next_close(explained: Explained):
    of = explained.predictions
    end = int(of.samples.ends_N[7])
    close = of.panel.bars_R5[:, CLOSE]
    assert of.outcome_N[7] == pytest.approx(np.log(close[end + 1] / close[end]))


def test_a_limit_takes_predictions_evenly_over_time(explained: Explained):
    of = explained.predictions
    some = predictions.unseen(of.subject, of.panel, 10)
    assert len(some) == 10
    assert some.opened_at_ms[0] == of.samples.opened_at_ms.min()
    assert some.opened_at_ms[-1] == of.samples.opened_at_ms.max()


def test_bars_of_before_the_test_part_are_refused(explained: Explained, trained: Run):
    of = explained.predictions
    early = of.panel.ends_N[of.panel.opened_at_ms_R[of.panel.ends_N] < trained.training.spans["validation"][0]]
    with pytest.raises(DataError, match="later bars"):
        predictions.unseen(of.subject, predictions.Panel(**{**_fields(of.panel), "ends_N": early}), 10)


def _fields(of: object) -> dict[str, object]:
    return {name: getattr(of, name) for name in of.__struct_fields__}


@pytest.mark.parametrize(
    ("output", "values", "up", "sure"),
    [
        (Output(Kind.PROBABILITY, 1), [0.9, 0.2], [True, False], [0.8, 0.6]),
        (Output(Kind.TREND, 1), [-0.3, 0.1], [False, True], [0.3, 0.1]),
        (Output(Kind.RETURN, 1), [0.01, -0.02], [True, False], [0.5, 1.0]),
        (Output(Kind.QUANTILES, 1, levels=(0.1, 0.5, 0.9)), [[-2, -1, 1], [0, 3, 4]], [False, True], [0.5, 1.0]),
        (Output(Kind.ORDINAL, 1, levels=(0, 1, 2)), [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], [False, True], [0.7, 0.6]),
    ],
)
def test_every_kind_of_output_has_a_direction_and_a_confidence(
    output: Output, values: list[float], up: list[bool], sure: list[float]
):
    said = np.array(values, np.float32)
    assert (upward(output, said) > 0).tolist() == up
    assert confidence(output, said) == pytest.approx(sure)


def test_heads_layers_markets_and_gates_are_gathered_by_their_axes_alone(every_axis: Explained):
    own, cross = every_axis.predictions.looks
    count = len(every_axis.predictions)
    assert own.heads_NHT is not None
    assert own.layers_NLT is not None
    assert cross.heads_NHT is not None
    assert (own.heads_NHT.shape, own.layers_NLT.shape) == ((count, 3, 8), (count, 2, 8))
    assert cross.layers_NLT is None
    assert own.mean.shape == (2, 3, 8, 8)
    assert own.mean.sum(axis=-1) == pytest.approx(np.ones((2, 3, 8)), abs=1e-5)
    (gates,) = every_axis.predictions.gates
    assert gates.mean.shape == (2, 8, 5)
    assert gates.deviation_G.shape == (5,)
