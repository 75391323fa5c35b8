"""A venue that has its words ready: what each socket is told at a close is on the wire in one write.

    python -m benchmarks.speed.venue BARS.parquet SPEED SUBSCRIBERS

The stand-in exchange of `gaze exchange`, whose own work at a close would take the cores that a burst is measured on.
All frames are made before its clock starts, in Binance's words; it ends by SIGTERM.
"""

import asyncio
import json
import sys
from pathlib import Path

import uvloop
from websockets.frames import Frame, Opcode

from core import barfile
from daemon.exchange.client import Client
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import dialect
from daemon.exchange.market import Market
from daemon.exchange.server import Exchange


class Venue(Exchange):
    """An exchange without faults, whose bars all close as their interval ends."""

    async def tell_forever(self) -> None:
        """Tell every close to the clients that have subscribed by now, then stay."""
        await self._gathered()
        length, first_ms = self._market.interval.ms, self._market.first_ms
        closes = []
        for period_ms in range(first_ms + length, self._market.last_ms + 2 * length, length):
            closes.append((period_ms, self._words(period_ms)))
            await asyncio.sleep(0)
        self.clock.start()
        for period_ms, words in closes:
            await self.clock.reach(period_ms)
            for client, frames in words:
                client.write(frames)
        await asyncio.Event().wait()

    def _words(self, period_ms: int) -> list[tuple[Client, bytes]]:
        told = [(update.bar.symbol, self._dialect.tell(update)) for update in self._market.period(period_ms)]
        return [
            (
                client,
                b"".join(
                    Frame(Opcode.TEXT, client.session.wrap(symbol, words)).serialize(mask=False)
                    for symbol, words in told
                    if symbol in symbols
                ),
            )
            for client in self._clients
            for symbols in [frozenset(client.symbols)]
        ]


async def main(bars: Path, speed: float, subscribers: int) -> None:
    market = Market(barfile.read(bars), updates=0, close_delay_ms=(0, 0))
    clock = VenueClock(market.first_ms, speed)
    async with Venue(market, dialect("binance", market), clock, subscribers=subscribers) as venue:
        print(json.dumps({"websocket": venue.websocket_url, "rest": venue.rest_url}), flush=True)
        await venue.tell_forever()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
