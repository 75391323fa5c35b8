"""The tiny trained run, its bundle, and models of known looks, each explained once for all tests."""

from pathlib import Path

import pytest
import torch
from looks import EveryAxis, Pointing, silent, speaking

from export.bundle import make_bundle
from export.run import describe, read_sample
from training.explain import explaining, subject
from training.explain.explaining import Explained
from training.explain.subject import Subject
from training.run import Run


@pytest.fixture(scope="session")
def run_subject(trained: Run) -> Subject:
    """The tiny run as what is explained."""
    return subject.read(trained.folder)


@pytest.fixture(scope="session")
def bundle_folder(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run, exported."""
    sample, reference = read_sample(trained.folder)
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    return make_bundle(folder, trained.model, describe(trained, "tiny", "1"), sample, reference).folder


@pytest.fixture(scope="session")
def explained(run_subject: Subject, bars_path: Path) -> Explained:
    """The tiny run, explained."""
    return explaining.explain(run_subject, bars_path, None, 20_000, None, silent)


@pytest.fixture(scope="session")
def honest(run_subject: Subject, bars_path: Path) -> Explained:
    """A model that shows where it looks."""
    return explaining.explain(speaking(Pointing(honest=True), run_subject), bars_path, None, 20_000, None, silent)


@pytest.fixture(scope="session")
def every_axis(run_subject: Subject, bars_path: Path) -> Explained:
    """A model with heads, layers, a market and gates."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = EveryAxis()
    return explaining.explain(speaking(model, run_subject), bars_path, None, 300, None, silent)
