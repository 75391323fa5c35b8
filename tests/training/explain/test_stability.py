from pathlib import Path

import msgspec
import numpy as np
import pytest
from looks import Pointing, silent, speaking
from runs import a_recipe, a_run

from core.errors import DataError
from training.explain import asking, explaining, findings, stability, subject
from training.explain.explaining import Explained
from training.explain.pictures import steady, style
from training.explain.subject import Subject
from training.fitting.history import Epoch, Seen
from training.runs.run import Run


def test_the_same_model_twice_is_perfectly_steady(honest: Explained):
    of = honest.predictions
    (found,) = stability.compare(of, [of.subject, of.subject], lambda _: None)
    assert found.overlap.value == pytest.approx(1.0, abs=1e-5)
    assert found.rank_correlation.value == pytest.approx(1.0, abs=1e-5)
    assert found.same_heaviest_step.value == 1.0
    assert found.forecast_correlation == pytest.approx(1.0)
    assert found.another.value < 0.5
    assert found.overlaps == pytest.approx(np.ones((3, 3)), abs=1e-5)
    assert "is the same whatever the seed" in found.sentence


def test_models_that_look_elsewhere_are_no_steadier_than_looks_at_other_predictions(
    honest: Explained, run_subject: Subject
):
    other = speaking(Pointing(honest=False), run_subject)
    (found,) = stability.compare(honest.predictions, [other], lambda _: None)
    assert found.rank_correlation.value < -0.9
    assert found.overlap.value < found.another.value
    assert "hangs on the seed" in found.sentence


def test_a_run_of_another_recipe_is_refused(honest: Explained, market_run: Run):
    with pytest.raises(DataError, match="not of the same recipe"):
        stability.compare(honest.predictions, [subject.read(market_run.folder)], lambda _: None)


def test_a_second_seed_is_told_in_words_and_in_a_picture(trained: Run, bars_path: Path, tmp_path: Path):
    other = a_run(a_recipe("seed=1"), bars_path, tmp_path / "seed_1")
    question = asking.of([trained.folder, other.folder], bars_path, None, None, "")
    told = explaining.explain(question.subject, bars_path, None, 80, None, silent, question.seeds)
    (one,) = told.report.attentions
    assert one.stability is not None
    assert one.stability.runs == ("tiny", "seed_1")
    assert one.stability.sentence in one.findings
    with style.styled():
        picture = steady.seeds(one, one.stability)
    assert [axes.get_title(loc="left") for axes in picture.axes][:2] == [
        "Mean weight of each step",
        "Weight on the same steps",
    ]


def test_the_look_of_each_epoch_is_drawn_and_growing_sharper_after_the_best_one_is_told():
    def epoch(number: int, entropy: float, loss: float, *, best: bool) -> Epoch:
        profile = tuple((np.eye(8)[7] * (1 - entropy) + entropy / 8).tolist())
        return Epoch(
            number, 1.0, loss, 0.1, 1.0, best, attention={"attention": Seen(entropy, 8 * max(profile), profile)}
        )

    history = (epoch(1, 0.99, 1.0, best=True), epoch(2, 0.95, 0.9, best=True), epoch(3, 0.80, 1.2, best=False))
    (told,) = findings.followed("attention", history)
    assert "from 0.990 (epoch 1) to 0.950 (epoch 2, kept) and 0.800 (epoch 3)" in told
    assert "overfitting" in told
    assert "overfitting" not in findings.followed("attention", history[:2])[0]
    assert findings.followed("attention", history[:1]) == ()
    with style.styled():
        picture = steady.epochs("attention", history)
    assert "kept: epoch 2" in [text.get_text() for text in picture.axes[0].get_legend().get_texts()]
    assert msgspec.json.decode(msgspec.json.encode(history), type=tuple[Epoch, ...]) == history
