"""What every test may use: the folder of real market data, where it is present."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from shaken import ShakenLoop

# How long an example takes is the machine's business.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real bars and captured frames; the test is skipped where they are not beside the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("shared/data is not beside the project")
    return SHARED_DATA


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--shake N`: run each asyncio test on N loops that serve sockets and timers out of order."""
    parser.addoption("--shake", type=int, default=0, metavar="N", help="run each asyncio test on N shaken loops")


def pytest_asyncio_loop_factories(config: pytest.Config) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loops that each asyncio test runs on: the standard one, or shaken ones."""
    seeds = range(config.getoption("--shake"))
    return {f"shaken-{seed}": partial(ShakenLoop, seed) for seed in seeds} or {"standard": asyncio.new_event_loop}
