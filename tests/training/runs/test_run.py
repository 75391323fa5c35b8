import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import DataError, UsageError
from training.runs import run
from training.runs.run import Run


@pytest.fixture
def copied(trained: Run, tmp_path: Path):
    """A copy of the run, to be damaged."""
    folder = tmp_path / "run"
    folder.mkdir()
    for file in trained.folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_a_run_holds_the_files_its_page_names(trained: Run):
    assert run.__doc__ is not None
    named = {line.split()[0] for line in run.__doc__.splitlines()[2:]}
    assert {file.name for file in trained.folder.iterdir()} == named


def test_nothing_is_left_beside_a_run(trained: Run):
    assert [path.name for path in trained.folder.parent.iterdir()] == [trained.folder.name]


def test_a_run_reads_back_the_same(trained: Run):
    again = run.load(trained.folder)
    assert (again.recipe, again.facts, again.evaluation) == (trained.recipe, trained.facts, trained.evaluation)
    for name, value in trained.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name])
    assert not again.model.training


def test_reading_a_run_leaves_the_random_state_alone(trained: Run):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    run.load(trained.folder)
    assert torch.equal(torch.rand(3), expected)


def test_a_run_knows_its_inputs_spans_and_rows(trained: Run):
    (read,) = trained.inputs
    assert (read.source, read.window.length, read.lookback, len(read.features)) == ("symbol", 8, 25, 3)
    spans = trained.training.spans
    assert spans["train"][1] < spans["validation"][0] < spans["validation"][1] < spans["test"][0]
    assert set(trained.training.rows) == {"train", "validation", "test"}
    assert trained.training.symbols == tuple(f"S{number}" for number in range(6))


def test_the_sample_is_bars_of_the_test_part_from_which_features_can_be_made(trained: Run):
    with np.load(trained.folder / "sample.npz", allow_pickle=False) as sample:
        bars, times, symbols = sample["bars"], sample["opened_at_ms"], sample["symbol"]
    assert bars.shape == (32, trained.inputs[0].bars_needed, 5)
    assert bars.dtype == np.float64
    assert times.dtype == np.int64
    assert symbols.dtype.kind == "U"
    first, last = trained.training.spans["test"]
    assert ((times > first) & (times < last)).all()
    assert np.ptp(times) > 0.9 * (last - first - 32 * 3_600_000)
    assert len(set(symbols)) > 1


def test_the_reference_is_attention_on_the_validation_part(trained: Run):
    with np.load(trained.folder / "reference.npz", allow_pickle=False) as reference:
        profile, entropy, concentration = (
            reference[f"attention.{name}"] for name in ("profile", "entropy", "concentration")
        )
    assert profile.shape == (8,)
    assert profile.dtype == np.float64
    assert profile.sum() == pytest.approx(1)
    assert entropy.shape == concentration.shape == (trained.training.rows["validation"],)
    assert ((entropy > 0) & (entropy <= 1 + 1e-9)).all()


def test_a_checkpoint_with_code_in_it_is_never_run(copied: Path):
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (print, ("run",))

    stored = io.BytesIO()
    torch.save({"lstm": Evil()}, stored)
    (copied / "checkpoint.pt").write_bytes(stored.getvalue())
    with pytest.raises((pickle.UnpicklingError, DataError), match=r"[Ww]eights"):
        run.load(copied)


def test_a_checkpoint_of_another_model_is_refused(copied: Path):
    torch.save({"other": torch.zeros(1)}, copied / "checkpoint.pt")
    with pytest.raises(DataError, match=r"checkpoint.pt does not fit its recipe"):
        run.load(copied)


@pytest.mark.parametrize("file", ["run.json", "metrics.json"])
def test_a_damaged_description_is_refused_by_name(file: str, copied: Path):
    (copied / file).write_text("{")
    with pytest.raises(DataError, match=file):
        run.load(copied)


def test_a_folder_that_is_no_run_is_refused_with_what_makes_one(tmp_path: Path):
    with pytest.raises(DataError, match="gaze train demo"):
        run.load(tmp_path)


def test_a_run_is_not_written_over_unless_told_to(trained: Run):
    with pytest.raises(UsageError, match="--replace"):
        run.refuse_taken(trained.folder, replace=False)
    run.refuse_taken(trained.folder, replace=True)


def test_a_folder_that_is_no_run_is_never_replaced(tmp_path: Path):
    with pytest.raises(UsageError, match="not a run"):
        run.refuse_taken(tmp_path, replace=True)
