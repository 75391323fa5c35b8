"""One training by two processes that torch's launcher starts, beside the same by one."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from runs import a_recipe, a_run

from training.fitting.together import Together
from training.runs import run

TORCHRUN = Path(sys.executable).with_name("torchrun")
GAZE = Path(sys.executable).with_name("gaze")
CHANGES = ("optimiser.epochs=3", "optimiser.learning_rate=0.01", "model.options.dropout=0.0")


def test_alone_every_window_is_mine_and_counts_whole():
    ends_N = torch.arange(7)
    mine_N, share = Together().part(ends_N)
    assert torch.equal(mine_N, ends_N)
    assert share == 1.0


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_the_parts_of_a_batch_make_its_mean(size: int, count: int):
    values_N = torch.linspace(-1, 3, count, dtype=torch.float64)
    total = 0.0
    for rank in range(size):
        one = Together()
        one.rank, one.size = rank, size
        mine_N, share = one.part(torch.arange(count))
        total += share * values_N[mine_N].mean().item()
    assert total == pytest.approx(values_N.mean().item(), abs=1e-12)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_train_what_one_trains(bars_path: Path, tmp_path: Path):
    alone = a_run(a_recipe(*CHANGES), bars_path, tmp_path / "alone")
    tiny = ("window.length=8", "model.options.hidden=8", "optimiser.batch=64")
    told = [word for change in (*tiny, *CHANGES) for word in ("--set", change)]
    launched = [TORCHRUN, "--standalone", "--nproc-per-node", "2", "--no-python", GAZE]
    words = ["train", "demo", "--bars", bars_path, "--out", tmp_path / "both", *told]
    done = subprocess.run([*launched, *words], cwd=tmp_path, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("run written to") == 1, "one of the two talks"
    both = run.load(tmp_path / "both")
    for name, weight in alone.model.state_dict().items():
        torch.testing.assert_close(both.model.state_dict()[name], weight, rtol=1e-3, atol=1e-5)
    assert both.facts.best_epoch == alone.facts.best_epoch
