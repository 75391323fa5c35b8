"""A file of bars and a run trained on it, for all tests of training to read."""

from pathlib import Path

import pytest
import torch
from runs import a_recipe, a_run, some_bars, write_parquet

from training.runs.run import Run


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small models gain nothing from a second thread, and lose much on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def bars_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 6 symbols x 600 bars."""
    return write_parquet(some_bars(symbols=6), tmp_path_factory.mktemp("bars") / "bars.parquet")


@pytest.fixture(scope="session")
def trained(bars_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of one epoch over `bars_path`."""
    return a_run(a_recipe(), bars_path, tmp_path_factory.mktemp("runs") / "tiny")
