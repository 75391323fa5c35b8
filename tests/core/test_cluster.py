import pytest

from core.cluster import joined
from core.errors import ConfigError


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nowhere"])
def test_nobody_at_an_address_is_said(address: str):
    with pytest.raises(ConfigError, match=rf"no Ray cluster at {address} .*try: ray start"), joined(address):
        pass
