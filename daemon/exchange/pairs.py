"""What a symbol is made of."""

from typing import Final

_QUOTES: Final = ("USDT", "USDC", "USD", "EUR", "BTC")


def pair(symbol: str) -> tuple[str, str]:
    """Base and quote: of BTC/USDT, BTC-USDT and BTCUSDT alike, BTC and USDT."""
    base, _, quote = symbol.replace("-", "/").partition("/")
    ending = quote or next((ending for ending in _QUOTES if base.endswith(ending)), "")
    return base if quote else base.removesuffix(ending), ending
