from pathlib import Path

import msgspec
import pytest
from runs import a_recipe, a_run
from typer.testing import CliRunner

from core.errors import DataError, UsageError
from training.cli import app
from training.job import Job, evaluate
from training.many import several
from training.many.several import Several
from training.runs import peeks, run

TINY = ("window.length=8", "model.options.hidden=8", "optimiser.epochs=1", "optimiser.batch=64")


def gaze(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def train(bars: Path, out: Path, *words: object, changes: tuple[str, ...] = ()):
    settings = [word for change in (*TINY, *changes) for word in ("--set", change)]
    return gaze("train", "demo", "--bars", bars, "--out", out, *settings, *words)


@pytest.fixture(scope="module")
def folds(bars_path: Path, tmp_path_factory: pytest.TempPathFactory):
    """What `gaze train --folds 2` printed, and where it wrote."""
    out = tmp_path_factory.mktemp("several") / "folds"
    return train(bars_path, out, "--folds", 2, changes=("split.purge=labels",)).output, out


def test_folds_walk_forward_and_never_touch_the_final_span(folds: tuple[str, Path], bars_path: Path):
    output, out = folds
    final_from = a_run(a_recipe("split.purge=labels"), bars_path, out.parent / "final").facts.ends["test"][0]
    first, second = (run.load(out / name) for name in ("fold_1", "fold_2"))
    assert first.facts.ends["test"][1] < second.facts.ends["test"][0]
    assert second.facts.ends["test"][1] < final_from
    assert second.training.spans["test"][1] <= final_from
    assert peeks.read(out / "fold_2") == ()
    assert "the final span was not looked at" in output.replace("\n", " ")


def test_the_spread_is_that_of_the_runs(folds: tuple[str, Path]):
    told = msgspec.json.decode((folds[1] / "several.json").read_bytes(), type=Several)
    (spread,) = (one for one in told.spreads if (one.measure, one.predictor) == ("rmse", "zero"))
    scores = [
        score.value
        for name in told.runs
        for score in run.load(folds[1] / name).scores
        if (score.measure, score.predictor) == ("rmse", "zero")
    ]
    assert (spread.lowest, spread.highest, spread.trainings) == (min(scores), max(scores), 2)
    assert spread.mean == pytest.approx(sum(scores) / 2)
    assert spread.deviation == pytest.approx(abs(scores[0] - scores[1]) / 2**0.5)
    assert "behind" in folds[0]


def test_a_fold_is_evaluated_on_its_own_stretch_alone(folds: tuple[str, Path], bars_path: Path):
    first = run.load(folds[1] / "fold_1")
    assert evaluate(first, bars_path) == first.evaluation


def test_seeds_give_different_models_judged_on_the_same_windows(bars_path: Path, tmp_path: Path):
    result = train(bars_path, tmp_path / "seeds", "--seeds", 2, "--json")
    told = msgspec.json.decode(result.stdout, type=Several)
    assert told.runs == ("seed_0", "seed_1")
    first, second = (run.load(tmp_path / "seeds" / name) for name in told.runs)
    assert (first.recipe.seed, second.recipe.seed) == (0, 1)
    deviation = {one.predictor: one.deviation for one in told.spreads if one.measure == "rmse"}
    assert deviation["model"] > 0 == deviation["zero"]


def test_what_was_cut_off_goes_on_with_the_run_that_is_missing(bars_path: Path, tmp_path: Path):
    out = tmp_path / "seeds"
    planned = several.plan(a_recipe(), 2)
    whole = a_run(planned["seed_0"], bars_path, out / "seed_0")
    trained = []

    def one(job: Job, folder: Path) -> run.Run:
        trained.append(folder.name)
        return job.run(folder, lambda *_: None, lambda _: None)

    several.refuse_taken(out, replace=False)
    runs = dict(several.train(planned, bars_path, out, one, again=False))
    assert trained == ["seed_1"]
    assert runs["seed_0"].facts == whole.facts
    several.conclude(out, runs)
    with pytest.raises(UsageError, match="--replace"):
        several.refuse_taken(out, replace=False)
    with pytest.raises(DataError, match="of another recipe"):
        next(several.train(several.plan(a_recipe("seed=9"), 2), bars_path, out, one, again=False))


def test_folds_and_seeds_together_are_every_pair():
    planned = several.plan(a_recipe("split.folds=2"), 2)
    assert list(planned) == ["fold_1_seed_0", "fold_1_seed_1", "fold_2_seed_0", "fold_2_seed_1"]
    assert [(one.split.fold, one.seed) for one in planned.values()] == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_universes_are_each_of_them_with_every_fold_and_seed():
    universes = {"few": ("S0", "S1"), "all": ("S0", "S1", "S2")}
    planned = several.plan(a_recipe("split.folds=2"), 2, universes)
    assert list(planned)[:2] == ["universe_few_fold_1_seed_0", "universe_few_fold_1_seed_1"]
    assert len(planned) == 8
    assert planned["universe_all_fold_2_seed_1"].data.symbols == universes["all"]
    assert list(several.plan(a_recipe(), 1, {"few": ("S0",)})) == ["universe_few"]


def test_universes_are_trained_on_their_symbols_alone(bars_path: Path, tmp_path: Path):
    (tmp_path / "universes.toml").write_text('few = ["S0", "S1"]\none = ["S2"]\n')
    output = train(bars_path, tmp_path / "many", "--universes", tmp_path / "universes.toml").output
    assert "2 trainings: universe_few, universe_one" in output
    few, one = (run.load(tmp_path / "many" / f"universe_{name}") for name in ("few", "one"))
    assert (few.training.symbols, one.training.symbols) == (("S0", "S1"), ("S2",))
    train(bars_path, tmp_path / "alone", changes=('data.symbols=["S2"]',))
    assert run.load(tmp_path / "alone").evaluation == one.evaluation
    several.refuse_taken(tmp_path / "many", replace=True)


def test_one_training_alone_is_not_several():
    assert several.plan(a_recipe(), 1) == {}
    assert several.plan(a_recipe("split.folds=3", "split.fold=2"), 1) == {}


def test_a_folder_with_other_things_is_refused(tmp_path: Path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UsageError, match=r"other things than trainings, notes\.txt"):
        several.refuse_taken(tmp_path, replace=True)
