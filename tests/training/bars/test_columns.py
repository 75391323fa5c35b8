from pathlib import Path

import pytest

from core.errors import DataError
from training.bars.columns import candidates, named, one_each, symbol_of


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTCUSDT_1h.csv", "BTCUSDT"),
        ("BTCUSDT-1h-2024-01.csv", "BTCUSDT"),
        ("Binance_BTCUSDT_d.csv.gz", "BTCUSDT"),
        ("BTC_USDT-1h.feather", "BTCUSDT"),
        ("aapl.csv", "AAPL"),
        ("^GSPC.csv", "^GSPC"),
        ("1INCHUSDT.csv", "1INCHUSDT"),
    ],
)
def test_the_name_of_a_file_tells_its_symbol(name: str, symbol: str):
    assert symbol_of(Path(name)) == symbol


@pytest.mark.parametrize("name", ["2024.csv", "data.csv", "-.csv"])
def test_a_name_without_a_symbol_asks_for_one(name: str):
    with pytest.raises(DataError, match="try: --symbol"):
        symbol_of(Path(name))


@pytest.mark.parametrize(
    "there",
    [
        ["ts", "symbol", "open", "high", "low", "close", "volume"],
        ["Open time", "Symbol", "Open", "High", "Low", "Close", "Volume", "Close time", "Quote asset volume"],
        ["t", "sym", "o", "h", "l", "c", "v"],
        ["timestamp", "ticker", "1. open", "2. high", "3. low", "4. close", "5. volume"],
        ["date", "Name", "open", "high", "low", "close", "volume"],
        ["Date", "Ticker", "Name", "Open", "High", "Low", "Close", "Adj Close", "Volume"],
    ],
)
def test_the_usual_names_are_known(there: list[str]):
    found = candidates(there)
    assert found["ts"] == there[:1]
    settled = one_each(found, {}, ["BTCUSDT"], [])
    assert settled["symbol"] == there[1]
    assert settled["close"].lower().endswith(("close", "c"))


def test_the_volume_in_the_base_currency_is_the_volume():
    there = ["ts", "open", "high", "low", "close", "Volume USDT", "Volume BTC"]
    assert one_each(candidates(there), {}, ["BTC/USDT"], there)["volume"] == "Volume BTC"


@pytest.mark.parametrize("given", ["price=close", "close", "close=nowhere"])
def test_a_column_option_that_makes_no_sense_says_what_would(given: str):
    with pytest.raises(DataError, match="--column"):
        named([given], ["ts", "close"])
