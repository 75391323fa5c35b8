from pathlib import Path

import msgspec
import pytest
import torch
from cutting import cut_off_at
from runs import a_recipe, a_run
from typer.testing import CliRunner

from core.errors import ConfigError, DataError, UsageError
from training.cli import app
from training.fitting.history import Epoch
from training.job import Job
from training.runs.unfinished import Unfinished

LONG = (
    *("optimiser.epochs=6", "stopping.patience=6", "model.options.dropout=0.2"),
    *("schedule.kind=cosine", "schedule.warmup=2"),
)


class CutOffError(Exception):
    """What ends a training in these tests."""


def cut_off(job: Job, out: Path, after: int, part: float = 0.5) -> None:
    """Train until so much of the epoch after this one is done."""

    def watch(epoch: int, done: float) -> None:
        if epoch > after and done >= part:
            raise CutOffError

    with pytest.raises(CutOffError):
        job.run(out, watch, lambda _: None)


def same(one: Path, other: Path) -> bool:
    """Whether two runs have the same weights, and came to them the same way."""
    ways = []
    for folder in (one, other):
        history = msgspec.json.decode((folder / "history.json").read_bytes(), type=list[Epoch])
        ways.append([msgspec.structs.replace(epoch, seconds=0.0) for epoch in history])
    return ways[0] == ways[1] and (one / "checkpoint.pt").read_bytes() == (other / "checkpoint.pt").read_bytes()


@pytest.mark.parametrize("after", [1, 4])
def test_a_training_that_was_cut_off_goes_on_to_the_same_weights(after: int, bars_path: Path, tmp_path: Path):
    recipe = a_recipe(*LONG)
    whole = a_run(recipe, bars_path, tmp_path / "whole")
    cut_off(Job(recipe, bars_path), tmp_path / "cut", after)
    torch.rand(7)  # whatever else happened to chance meanwhile
    told = []
    again = Job(recipe, bars_path).run(tmp_path / "cut", lambda *_: None, lambda epoch: told.append(epoch.number))
    assert told == [1, 2, 3, 4, 5, 6]
    assert same(again.folder, whole.folder)
    assert again.scores == whole.scores
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "whole"]


def test_one_cut_off_after_its_last_epoch_only_judges(bars_path: Path, tmp_path: Path):
    recipe = a_recipe("optimiser.epochs=2")
    job = Job(recipe, bars_path)
    kept = Unfinished(tmp_path / "run", recipe, job.fingerprint)

    def ended(_: object) -> None:
        if kept.read() is not None and '"number":2' in kept.read()["history"]:
            raise CutOffError

    with pytest.raises(CutOffError):
        job.run(tmp_path / "run", lambda *_: None, ended)
    watched = []
    again = Job(recipe, bars_path).run(tmp_path / "run", lambda *one: watched.append(one), lambda _: None)
    assert not watched
    whole = a_run(recipe, bars_path, tmp_path / "whole")
    assert same(again.folder, whole.folder)


def test_another_recipe_or_other_bars_do_not_go_on(bars_path: Path, tmp_path: Path):
    job = Job(a_recipe("optimiser.epochs=3"), bars_path)
    cut_off(job, tmp_path / "run", 1)
    with pytest.raises(UsageError, match=r"of another recipe.*--fresh"):
        a_run(a_recipe("optimiser.epochs=4"), bars_path, tmp_path / "run")
    with pytest.raises(UsageError, match="of other bars"):
        Unfinished(tmp_path / "run", job.recipe, "other").read()


def test_a_damaged_file_is_named(tmp_path: Path):
    recipe = a_recipe()
    kept = Unfinished(tmp_path / "run", recipe, "bars")
    kept.path.write_bytes(b"torn")
    with pytest.raises(DataError, match=r"run\.unfinished cannot be read .*--fresh"):
        kept.read()


def test_a_training_killed_at_any_point_gives_the_weights_of_one_that_was_not(bars_path: Path, tmp_path: Path):
    """Once behind the second epoch's line and once while a later one is at work; the third start ends."""
    changes = ("window.length=8", "model.options.hidden=8", "optimiser.batch=64", *LONG)
    settings = [word for change in changes for word in ("--set", change)]

    words = ["train", "demo", "--bars", str(bars_path), "--out", str(tmp_path / "killed"), *settings]
    for line in ("epoch   2", "epoch   4"):
        cut_off_at(line, *words)
    last = CliRunner().invoke(app, words, catch_exceptions=False).output
    assert "going on with the training that was cut off" in last
    a_run(a_recipe(*LONG), bars_path, tmp_path / "whole")
    assert same(tmp_path / "killed", tmp_path / "whole")
    assert not (tmp_path / "killed.unfinished").exists()


def test_the_command_forgets_what_was_cut_off_when_told_to(bars_path: Path, tmp_path: Path):
    cut_off(Job(a_recipe("optimiser.epochs=3"), bars_path), tmp_path / "run", 1)
    changes = ("window.length=8", "model.options.hidden=8", "optimiser.batch=64", "optimiser.epochs=1")
    words = ["train", "demo", "--bars", str(bars_path), "--out", str(tmp_path / "run"), "--device", "auto"]
    words += [word for change in changes for word in ("--set", change)]
    with pytest.raises(UsageError, match=r"of another recipe.*--fresh"):
        CliRunner().invoke(app, words, catch_exceptions=False)
    output = CliRunner().invoke(app, [*words, "--fresh"], catch_exceptions=False).output
    assert "going on" not in output
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_resume_goes_on_and_is_an_error_where_nothing_was_cut_off(bars_path: Path, tmp_path: Path):
    changes = ("window.length=8", "model.options.hidden=8", "optimiser.batch=64", "optimiser.epochs=3")
    words = ["train", "demo", "--bars", str(bars_path), "--out", str(tmp_path / "run"), "--resume"]
    words += [word for change in changes for word in ("--set", change)]
    with pytest.raises(UsageError, match=r"there is no .*run\.unfinished\. try: without --resume"):
        CliRunner().invoke(app, words, catch_exceptions=False)
    with pytest.raises(UsageError, match="one of the two"):
        CliRunner().invoke(app, [*words, "--fresh"], catch_exceptions=False)
    cut_off(Job(a_recipe("optimiser.epochs=3"), bars_path), tmp_path / "run", 1)
    output = CliRunner().invoke(app, words, catch_exceptions=False).output
    assert "going on with the training that was cut off" in output.replace("\n", " ")
    with pytest.raises(UsageError, match="without --resume"):
        CliRunner().invoke(app, words, catch_exceptions=False)


def test_resume_goes_on_with_several_of_which_some_are_done(bars_path: Path, tmp_path: Path):
    changes = ("window.length=8", "model.options.hidden=8", "optimiser.batch=64", "optimiser.epochs=1")
    words = ["train", "demo", "--bars", str(bars_path), "--out", str(tmp_path / "runs"), "--seeds", "2", "--resume"]
    words += [word for change in changes for word in ("--set", change)]
    with pytest.raises(UsageError, match=r"there is no .*seed_0\.unfinished"):
        CliRunner().invoke(app, words, catch_exceptions=False)
    a_run(a_recipe(), bars_path, tmp_path / "runs" / "seed_0")
    assert "2 of 2" in CliRunner().invoke(app, words, catch_exceptions=False).output


def test_a_device_that_is_none_is_refused(bars_path: Path, tmp_path: Path):
    words = ["train", "demo", "--bars", str(bars_path), "--out", str(tmp_path / "run"), "--device", "abacus"]
    with pytest.raises(ConfigError, match="abacus"):
        CliRunner().invoke(app, words, catch_exceptions=False)
