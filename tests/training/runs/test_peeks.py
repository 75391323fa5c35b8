from pathlib import Path

import pytest
from runs import a_recipe, a_run
from typer.testing import CliRunner

from core.errors import DataError
from training.cli import app
from training.runs import peeks
from training.runs.run import Run


def test_training_is_the_first_look_and_each_evaluation_one_more(bars_path: Path, tmp_path: Path):
    trained = a_run(a_recipe(), bars_path, tmp_path / "run")
    (first,) = peeks.read(trained.folder)
    assert (first.by, first.at) == ("gaze train", trained.facts.created_at)
    assert first.bars_fingerprint == trained.evaluation.bars_fingerprint
    words = ["evaluate", str(trained.folder), "--bars", str(bars_path)]
    for count in (2, 3):
        output = CliRunner().invoke(app, words, catch_exceptions=False).output
        assert f"The final span was looked at {count} times" in output.replace("\n", " ")
    assert [one.by for one in peeks.read(trained.folder)] == ["gaze train", "gaze evaluate", "gaze evaluate"]


def test_a_recipe_counts_as_tried_once_however_often_it_is_looked_at(trained: Run, bars_path: Path, tmp_path: Path):
    alike, other = (a_run(a_recipe(f"seed={seed}"), bars_path, tmp_path / f"run_{seed}") for seed in (1, 2))
    for runs in ((alike, other), (alike, other), (alike, trained)):
        words = ["compare", *(str(one.folder) for one in runs), "--bars", str(bars_path)]
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert len(peeks.read(alike.folder)) == 4
    assert [peeks.tried(peeks.read(one.folder)) for one in (alike, other)] == [3, 2]


def test_what_is_said_of_none_one_and_many():
    assert "not been looked at" in peeks.sentence(0)
    assert "once" in peeks.sentence(1)
    assert "would flatter" in peeks.sentence(2)


def test_a_run_without_a_count_is_refused(bars_path: Path, tmp_path: Path):
    with pytest.raises(DataError, match=r"peeks\.json cannot be read"):
        peeks.read(tmp_path)
    assert len(peeks.read(a_run(a_recipe(), bars_path, tmp_path / "run").folder)) == 1
