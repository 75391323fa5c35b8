"""The tiny trained run, its bundle, and models of known looks, each explained once for all tests."""

from pathlib import Path

import pytest
import torch
from looks import EveryAxis, Pointing, silent, speaking
from runs import a_recipe, a_run

from export.bundle import make_bundle
from export.run import describe, read_sample
from training.explain import explaining, subject
from training.explain.explaining import Explained
from training.explain.subject import Subject
from training.runs.run import Run


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
def market_run(bars_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A tiny run that reads a market, S5, beside every symbol."""
    small = "model.options={d_model=8, heads=2, layers=2, feed_forward=8, market_layers=1}"
    beside = ("data.market=S5", "data.market_features='log_return_1, realised_volatility_24'")
    return a_run(
        a_recipe(*beside, "model.family=cross_attention", small), bars_path, tmp_path_factory.mktemp("runs") / "market"
    )


@pytest.fixture(scope="session")
def market_explained(market_run: Run, bars_path: Path) -> Explained:
    """The run beside a market, explained."""
    return explaining.explain(subject.read(market_run.folder), bars_path, None, 200, None, silent)


@pytest.fixture(scope="session")
def every_axis(market_run: Run, bars_path: Path) -> Explained:
    """A model with heads, layers, a market and gates."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = EveryAxis()
    beside = subject.read(market_run.folder)
    return explaining.explain(speaking(model, beside), bars_path, None, 300, None, silent)
