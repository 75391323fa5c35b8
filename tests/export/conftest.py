import pytest
from bundles import a_bundle

from core.bundle import Bundle


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A small LSTM, exported."""
    return a_bundle(tmp_path_factory.mktemp("bundles") / "small")
