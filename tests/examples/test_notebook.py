"""The notebook runs from its first cell to its last in an empty folder, and shows what it promises."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "attention.ipynb"
# In a process of its own: the client's event loop and warnings are none of ours.
RUN = """
import sys
import nbformat
from nbclient import NotebookClient
made = nbformat.read(sys.argv[1], 4)
NotebookClient(made, timeout=400, resources={"metadata": {"path": sys.argv[2]}}).execute()
nbformat.write(made, sys.argv[3])
"""


@pytest.mark.slow
@pytest.mark.timeout(500)
def test_the_notebook_on_attention_runs_as_it_stands(tmp_path: Path):
    run = tmp_path / "run.ipynb"
    command = [sys.executable, "-c", RUN, NOTEBOOK, tmp_path, run]
    done = subprocess.run(command, capture_output=True, text=True, timeout=480, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    outputs = [one for cell in nbformat.read(run, 4).cells for one in cell.get("outputs", [])]
    shown = [one for one in outputs if "image/png" in one.get("data", {})]
    assert len(shown) == 7
    told = " ".join(one["data"].get("text/markdown", "") for one in outputs if "data" in one)
    assert "Attention is" in told
    assert "Planted causes: attention finds" in told
    assert (tmp_path / "attention-notebook" / "explained" / "index.html").is_file()


def test_the_notebook_is_committed_without_outputs():
    cells = nbformat.read(NOTEBOOK, 4).cells
    assert len(cells) > 10
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)
