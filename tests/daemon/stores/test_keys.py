import pytest

from core.errors import ConfigError
from daemon.stores.keys import Keys


def test_all_keys_of_a_shard_share_one_hash_tag():
    keys = Keys("btc", "7")
    names = [keys.fence, keys.lease, keys.stream, keys.since("1h"), keys.newest("1h"), keys.latest("BTC/USDT")]
    names.append(keys.ring("1h", 73, "BTC/USDT"))
    assert all(name.startswith("gaze:{7}:") for name in names)
    assert len(set(names)) == len(names)


def test_the_channel_is_the_same_for_all_shards():
    assert Keys("btc", "1").channel == Keys("btc", "2").channel


def test_another_interval_or_capacity_is_another_ring():
    keys = Keys("btc")
    assert len({keys.ring("1h", 73, "X"), keys.ring("1h", 74, "X"), keys.ring("4h", 73, "X")}) == 3


def test_another_interval_begins_anew():
    keys = Keys("btc")
    assert keys.since("1h") != keys.since("4h")
    assert keys.newest("1h") != keys.newest("4h")


@pytest.mark.parametrize("name", ["", "a:b", "a}b", "two words"])
def test_a_name_that_would_change_a_key_is_refused(name: str):
    with pytest.raises(ConfigError, match="try:"):
        Keys(name)
    with pytest.raises(ConfigError, match="try:"):
        Keys("btc", name)
