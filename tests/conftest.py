"""What every test may use: the folder of real market data, where it is present."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real bars and captured frames; the test is skipped where they are not beside the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("shared/data is not beside the project")
    return SHARED_DATA
