import pytest

from core.errors import ConfigError
from daemon.feeds import feed
from daemon.listening.spelling import chosen, spelled, together


def test_symbols_are_spelled_as_each_venue_does():
    assert spelled(feed("binance"), ["btcusdt", "ETHUSDT"]) == ("BTCUSDT", "ETHUSDT")
    assert spelled(feed("kraken"), ["xbt/usd"]) == ("BTC/USD",)


def test_one_symbol_in_two_spellings_is_refused():
    with pytest.raises(ConfigError, match="BTCUSDT twice, in two spellings; try: leave one out"):
        spelled(feed("binance"), ["btcusdt", "BTCUSDT"])


def test_one_symbol_of_two_venues_is_refused():
    with pytest.raises(ConfigError, match="two venues have BTCUSDT; try: a daemon of its own"):
        together([("BTCUSDT", "ETHUSDT"), ("BTCUSDT",)])


def test_symbols_are_chosen_in_any_venues_spelling_and_strangers_are_refused():
    feeds = [feed("binance"), feed("kraken")]
    assert chosen(["btcusdt", "xbt/usd"], feeds, ["BTCUSDT", "BTC/USD", "ETHUSDT"]) == ("BTCUSDT", "BTC/USD")
    with pytest.raises(ConfigError, match=r"\[metrics\] symbols names SOLUSDT, which no venue is asked for"):
        chosen(["SOLUSDT"], feeds, ["BTCUSDT"])
