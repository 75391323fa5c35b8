import pytest
from builders import HOUR
from kept import KEYS

from core.errors import ConfigError
from daemon.stores.redis import RedisStore


def test_an_address_of_another_kind_is_refused_without_showing_it():
    with pytest.raises(ConfigError, match="try: redis://") as refused:
        RedisStore("http://me:hush@example.org", KEYS, HOUR, 5)
    assert "hush" not in str(refused.value)
