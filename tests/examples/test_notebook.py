"""Each notebook runs from its first cell to its last in an empty folder, and shows what it promises."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = {path.stem: path for path in sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.ipynb"))}
SHORT = sorted(NOTEBOOKS.keys() - {"attention"})
PICTURES = {"winner_daily": 1, "dual_horizon": 1, "bitcoin_hourly": 2, "stocks_with_market": 2, "token_minutes": 0}
# In a process of its own: the client's event loop and warnings are none of ours.
RUN = """
import sys
import nbformat
from nbclient import NotebookClient
made = nbformat.read(sys.argv[1], 4)
NotebookClient(made, timeout=1_000, resources={"metadata": {"path": sys.argv[2]}}).execute()
nbformat.write(made, sys.argv[3])
"""


def outputs_of(name: str, folder: Path) -> list[nbformat.NotebookNode]:
    """What its cells showed."""
    run = folder / "run.ipynb"
    command = [sys.executable, "-c", RUN, NOTEBOOKS[name], folder, run]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1_100, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    return [one for cell in nbformat.read(run, 4).cells for one in cell.get("outputs", [])]


def pictures(outputs: list[nbformat.NotebookNode]) -> int:
    return sum("image/png" in one.get("data", {}) for one in outputs)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_the_notebook_on_attention_runs_as_it_stands(tmp_path: Path):
    outputs = outputs_of("attention", tmp_path)
    assert pictures(outputs) == 7
    told = " ".join(one["data"].get("text/markdown", "") for one in outputs if "data" in one)
    assert "Attention is" in told
    assert "Planted causes: attention finds" in told
    assert (tmp_path / "attention-notebook" / "explained" / "index.html").is_file()


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("name", SHORT)
def test_the_notebook_of_a_recipe_trains_judges_and_shows(name: str, tmp_path: Path):
    outputs = outputs_of(name, tmp_path)
    said = " ".join(one.get("text", "") for one in outputs)
    assert "run written to" in said
    assert "not distinguishable" in said or "better than" in said or "worse than" in said
    assert pictures(outputs) >= PICTURES[name]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_committed_without_outputs(name: str):
    cells = nbformat.read(NOTEBOOKS[name], 4).cells
    assert len(cells) > 6
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)
