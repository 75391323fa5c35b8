from pathlib import Path

import msgspec
import numpy as np
import pytest
from looks import silent
from runs import a_recipe, a_run

from core.outputs import Kind, Output
from training.explain import explaining, said, subject, text
from training.explain.explaining import Explained
from training.explain.pictures import said as drawn
from training.explain.pictures import style
from training.explain.predictions import Predictions
from training.network.model import PLAIN

UP = Output(Kind.DIRECTION, 1)
KINDS = "label.kind=['direction', 'buckets', 'quantiles', 'deviation', 'trend', 'return']"


@pytest.fixture(scope="module")
def every_kind(bars_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Explained:
    """A calibrated run that says everything there is to say."""
    recipe = a_recipe(KINDS, "calibration.method=temperature", "model.options={hidden=8}")
    run = a_run(recipe, bars_path, tmp_path_factory.mktemp("said") / "run")
    return explaining.explain(subject.read(run.folder), bars_path, None, 20_000, None, silent)


def saying(
    of: Explained, output: Output, values: np.typing.NDArray[np.float64], label: np.typing.ArrayLike
) -> Predictions:
    """The same windows, of which this was said and of which this came."""
    predictions = of.predictions
    panel = predictions.panel
    targets = np.full(len(panel.reach_R), np.nan)
    targets[predictions.samples.ends_N] = label
    changed = msgspec.structs.replace(panel, targets={output.name: targets}, outputs=(output,))
    samples = type(predictions.samples)(changed, predictions.samples.ends_N)
    spoken = msgspec.structs.replace(predictions.subject, outputs=(output,))
    return msgspec.structs.replace(
        predictions, subject=spoken, samples=samples, said={output.name: values.astype(np.float32)}
    )


def drawn_labels(chance_N: np.typing.NDArray[np.float64]) -> np.typing.NDArray[np.float64]:
    return (np.random.default_rng(0).random(len(chance_N)) < chance_N).astype(np.float64)


def test_a_probability_that_means_what_it_says_is_not_too_sure(honest: Explained):
    chance = np.random.default_rng(1).uniform(0.05, 0.95, len(honest.predictions))
    (one,) = said.analyse(saying(honest, UP, chance, drawn_labels(chance)))
    (calibration,) = one.calibrations
    assert abs(calibration.too_sure.value) < 0.05
    assert calibration.error < 0.1
    assert calibration.about_80 is not None
    assert calibration.about_80.value == pytest.approx(0.8, abs=0.12)
    assert "is not shown to be surer" in one.sentences[0]


def test_one_that_says_90_where_60_come_is_too_sure_by_30(honest: Explained):
    count = len(honest.predictions)
    (one,) = said.analyse(saying(honest, UP, np.full(count, 0.9), drawn_labels(np.full(count, 0.6))))
    (calibration,) = one.calibrations
    assert calibration.too_sure.value == pytest.approx(0.3, abs=0.06)
    assert calibration.too_sure.above_zero
    assert "is too sure" in one.sentences[0]
    assert "it never claims about 80 %" in one.sentences[1]


def test_classes_are_counted_as_in_a_report_of_classification(honest: Explained):
    """By hand: of eight, 3 ups named and 2 of them right; 4 ups came."""
    count = len(honest.predictions)
    chance, came = np.full(count, 0.1), np.full(count, np.nan)
    chance[:8], came[:8] = [0.9, 0.8, 0.7, 0.2, 0.1, 0.3, 0.4, 0.2], [1, 1, 0, 1, 1, 0, 0, 0]
    (one,) = said.analyse(saying(honest, UP, chance, came))
    down, up = one.classes
    assert (up.named, up.support, up.precision, up.recall) == (3, 4, pytest.approx(2 / 3), 0.5)
    assert (down.named, down.support, down.precision, down.recall) == (5, 4, pytest.approx(3 / 5), 0.75)
    assert one.right is not None
    assert one.right.value == pytest.approx(5 / 8)
    assert one.macro_f1 == pytest.approx((up.f1 + down.f1) / 2)
    # Of 16 pairs of one that came and one that did not, 8 are in order and one is equal.
    assert one.area == pytest.approx((8 + 0.5) / 16)


def test_ordered_classes_tell_their_cumulative_and_whether_it_falls(honest: Explained):
    output, count = Output(Kind.ORDINAL, 1, levels=(0.0, 1.0, 2.0)), len(honest.predictions)
    chances = np.tile([0.2, 0.5, 0.3], (count, 1))
    (one,) = said.analyse(saying(honest, output, chances, np.arange(count) % 3))
    assert one.cumulative == pytest.approx((0.8, 0.3))
    assert one.came_cumulative == pytest.approx((2 / 3, 1 / 3), abs=0.01)
    assert one.monotone == 1.0
    assert one.entropy is not None
    expected = -sum(share * np.log(share) for share in (0.2, 0.5, 0.3)) / np.log(3)
    assert one.entropy.value == pytest.approx(expected, abs=1e-5)
    rising = chances.copy()
    rising[: count // 2] = [0.7, -0.1, 0.4]
    (one,) = said.analyse(saying(honest, output, rising, np.arange(count) % 3))
    assert one.monotone == pytest.approx(0.5, abs=0.01)


def test_every_kind_is_told_and_drawn_before_and_after_its_calibration(every_kind: Explained):
    report = every_kind.report
    assert [one.kind for one in report.outputs] == ["direction", "ordinal", "quantiles", "deviation", "trend", "return"]
    direction, ordinal, quantiles = report.outputs[:3]
    for one in (direction, ordinal):
        assert [calibration.predictor for calibration in one.calibrations] == ["model", "uncalibrated"]
        assert PLAIN + one.output in every_kind.predictions.said
    assert 0 < quantiles.covered["0.05"].value < quantiles.covered["0.95"].value < 1.01
    words = text.whole(report)
    assert "OUTPUT: ordinal_1" in words
    assert "precision    recall" in words
    with style.styled():
        for output, told in zip(every_kind.predictions.subject.outputs, report.outputs, strict=True):
            picture = drawn.said(every_kind, output, told)
            assert output.name in picture.get_suptitle()
            labels = {
                text.get_text() for axes in picture.axes if axes.get_legend() for text in axes.get_legend().get_texts()
            }
            if told.calibrations:
                assert {label.partition(",")[0] for label in labels} >= {
                    "model",
                    "uncalibrated",
                    "as often as it claims",
                }
