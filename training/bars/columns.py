"""Which column of somebody's table is which: the usual names, and an error where two could be meant."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from core.errors import DataError

USUAL: Final[dict[str, tuple[str, ...]]] = {
    "ts": (
        *("ts", "time", "timestamp", "opentime", "datetime", "date", "starttime", "start", "unix", "unixtime"),
        *("unixtimestamp", "intervalbegin", "timeperiodstart", "gmttime", "t"),
    ),
    "symbol": ("symbol", "ticker", "pair", "instrument", "market", "sym", "name"),
    "interval": ("interval", "timeframe"),
    "open": ("open", "o", "openprice", "priceopen"),
    "high": ("high", "h", "highprice", "pricehigh"),
    "low": ("low", "l", "lowprice", "pricelow"),
    "close": ("close", "c", "closeprice", "priceclose", "closelast"),
    "volume": ("volume", "vol", "v", "basevolume", "volumebase", "volumefrom", "tickvol", "tickvolume"),
}
"""Names as people write them, without case, blanks and punctuation. An adjusted close or a quote volume is not here."""

OPTIONAL: Final = ("symbol", "interval")
NO_VOLUME: Final = "none"
"""What `--column volume=` takes where nobody publishes a volume: zeros are written."""

_QUOTES: Final = ("USDT", "USDC", "BUSD", "FDUSD", "USD", "EUR", "BTC", "ETH")
_NOT_SYMBOLS: Final = ("BINANCE", "BYBIT", "OKX", "KRAKEN", "COINBASE", "BITSTAMP", "DATA", "BARS", "OHLC", "OHLCV")


def plain(name: str) -> str:
    """The name without case, blanks, punctuation and leading digits: "4. close" is close."""
    return re.sub(r"^\d+|[^a-z0-9]", "", name.lower())


def named(given: Sequence[str], there: Sequence[str]) -> dict[str, str]:
    """Read `--column ts=Date` options.

    Raises: DataError: not of this form, or there is no such column.
    """
    chosen = {}
    for pair in given:
        word, _, column = pair.partition("=")
        if word not in USUAL or not column:
            raise DataError(f"--column {pair!r} is not NAME=COLUMN with NAME one of {', '.join(USUAL)}")
        if column not in there and not (word == "volume" and column == NO_VOLUME):
            raise DataError(f"--column {pair}: there is no such column; there are: {', '.join(there)}")
        chosen[word] = column
    return chosen


def candidates(there: Sequence[str]) -> dict[str, list[str]]:
    """For each of our words the columns that could be meant, the likeliest first."""
    spelled: dict[str, list[str]] = {}
    for column in there:
        spelled.setdefault(plain(column), []).append(column)
    found = {word: [column for name in names for column in spelled.get(name, [])] for word, names in USUAL.items()}
    if len(found["symbol"]) > 1:  # beside a ticker, a name is the company's
        found["symbol"] = [column for column in found["symbol"] if plain(column) != "name"]
    if not found["volume"]:
        found["volume"] = [column for column in there if re.match(r"volume\W*\w+$", column.strip().lower())]
    if not found["ts"]:  # pandas writes its index under an empty name
        found["ts"] = [column for column in there if plain(column) in ("", "unnamed0", "index")]
    return found


def one_each(
    found: Mapping[str, Sequence[str]], chosen: Mapping[str, str], symbols: Sequence[str], there: Sequence[str]
) -> dict[str, str]:
    """Settle every word but the time on one column of `there`; `symbols` tell a base volume from a quote volume.

    Raises: DataError: a column is missing, or two could be meant.
    """
    settled = {}
    for word in USUAL:
        could = [chosen[word]] if word in chosen else list(found[word])
        if word == "volume" and len(could) > 1:
            could = [column for column in could if _is_base(column, symbols)] or could
        if word == "ts" or (not could and word in OPTIONAL):
            continue
        if not could:
            raise DataError(
                f"no column looks like the {word}; there are: {', '.join(there)}; "
                f"try: --column {word}=NAME{_or_none(word)}"
            )
        if len(could) > 1:
            raise DataError(f"the {word} could be {' or '.join(could)}; try: --column {word}={could[0]!r}")
        settled[word] = could[0]
    return settled


def symbol_of(path: Path) -> str:
    """BTCUSDT_1h.csv, Binance_BTCUSDT_d.csv.gz and BTC_USDT-1h.csv are all BTCUSDT; AAPL.csv is AAPL.

    Raises: DataError: nothing in the name looks like a symbol.
    """
    words = [word for word in re.split(r"[_\-\s.]+", path.name.split(".")[0].upper()) if word not in _NOT_SYMBOLS]
    if not words or not re.fullmatch(r"\^?[A-Z0-9]*[A-Z][A-Z0-9]*", words[0]):
        raise DataError(f"no column tells the symbol, nor does the name {path.name}; try: --symbol BTCUSDT")
    return words[0] + (words[1] if len(words) > 1 and words[1] in _QUOTES else "")


def _is_base(column: str, symbols: Sequence[str]) -> bool:
    asset = re.split(r"[\W_]+", column.strip().upper())[-1]
    return bool(symbols) and all(symbol.upper().startswith(asset) for symbol in symbols)


def _or_none(word: str) -> str:
    return f", or --column volume={NO_VOLUME} to write zeros" if word == "volume" else ""
