"""Every symbol has one shard, each its share, and one more shard moves no more than its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.sharding import owner, share

MANY = [f"S{number:05}USDT" for number in range(20_000)]


@given(symbols=st.lists(st.text(min_size=1), unique=True), shards=st.integers(1, 9))
def test_each_symbol_is_served_by_one_shard(symbols: list[str], shards: int):
    shares = [share(symbols, shard, shards) for shard in range(shards)]
    assert sorted(symbol for some in shares for symbol in some) == sorted(symbols)


@pytest.mark.parametrize("shards", [2, 3, 4, 16])
def test_the_shares_are_alike(shards: int):
    fair = len(MANY) / shards
    assert all(abs(len(share(MANY, shard, shards)) / fair - 1) < 0.1 for shard in range(shards))


@given(symbol=st.text(), shards=st.integers(1, 50))
def test_one_more_shard_takes_symbols_and_moves_none_between_the_others(symbol: str, shards: int):
    assert owner(symbol, shards + 1) in {owner(symbol, shards), shards}


def test_who_serves_what_is_the_same_on_every_machine_and_in_every_version():
    assert [owner(symbol, 4) for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT")] == [1, 1, 1, 1, 0]
