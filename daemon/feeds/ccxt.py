"""Any of the venues that ccxt knows, by ccxt's names for it and for its symbols: "ccxt:kraken", "BTC/USD".

What ccxt brings is told in the generic protocol (daemon/listening/ccxt.py), so that nothing is left to decode.
"""

from daemon.feeds.generic import Generic


class Ccxt(Generic):
    """One of ccxt's venues as a Feed; the addresses are the venue's own unless given."""

    # ccxt answers pings itself; a quiet market may have no word for minutes.
    heartbeat = (60.0, "{}")
    silence_s = 900.0
    # ccxt tells of no venue whether a bar has closed, and which of them leave out bars without trades.
    grace_s = 5.0
    empty_after_s = 330.0
    # Few venues give less at once.
    history_limit = 100
    # ccxt keeps to each venue's limits by itself.
    request_spacing_s = 0.0

    def __init__(self, exchange: str, websocket_url: str | None = None, rest_url: str | None = None) -> None:
        super().__init__(f"ccxt://{exchange}", f"ccxt://{exchange}")
        self.name = f"ccxt:{exchange}"
        self.exchange = exchange
        self.websocket_url = websocket_url
        self.rest_url = rest_url

    def spelling(self, symbol: str) -> str:
        """In capitals where it is all small: BTC/USD, or BTC/USDT:USDT for a perpetual."""
        return symbol.upper() if symbol.islower() else symbol
