"""A venue that has its words ready: what each socket is told at a close is on the wire in one write.

    python -m benchmarks.speed.venue BARS.parquet SPEED SUBSCRIBERS [UPDATES]

The stand-in exchange of `gaze exchange`, whose own work at a close would take the cores that a burst is measured on.
Its words are Binance's, made before it listens, and its frames before its clock starts; it ends by SIGTERM. UPDATES:
so often each bar is told before it closes, all symbols together.
"""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final, Self

import uvloop
from websockets.frames import Frame, Opcode

from core import barfile
from daemon.exchange.client import Client
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import dialect
from daemon.exchange.market import Market, Update
from daemon.exchange.server import Exchange

_STILL_HERE: Final = Frame(Opcode.TEXT, b'{"result":null,"id":0}').serialize(mask=False)


class Venue(Exchange):
    """An exchange without faults, whose bars all close as their interval ends."""

    apart_ms = 0
    """So far apart the bars of one interval are told, by the venue's clock."""

    async def __aenter__(self) -> Self:
        """Listen, once all that will be told is in words."""
        self._told = [
            (at_ms, updates, {update.bar.symbol: self._dialect.tell(update) for update in updates})
            for at_ms, updates in self.moments()
        ]
        return await super().__aenter__()

    async def tell_forever(self) -> None:
        """Tell every close to the clients that have subscribed by now, then stay."""
        await self._gathered()
        framed = []
        for at_ms, updates, words in self._told:
            framed.append((at_ms, updates, self._framed(words)))
            await asyncio.sleep(0)
        # A socket that says nothing for a minute is taken for lost.
        for client in self._clients:
            client.write(_STILL_HERE)
        self.clock.start()
        for at_ms, updates, frames in framed:
            await self.clock.reach(at_ms)
            self.tells(updates)
            for client, its_frames in frames:
                client.write(its_frames)
        await asyncio.Event().wait()

    def moments(self) -> Iterator[tuple[int, list[Update]]]:
        """What is told when, in order."""
        length, first_ms = self._market.interval.ms, self._market.first_ms
        for period_ms in range(first_ms + length, self._market.last_ms + 2 * length, length):
            period = self._market.period(period_ms)
            if self.apart_ms:
                yield from ((one.at_ms + place * self.apart_ms, [one]) for place, one in enumerate(period))
            else:
                together = groupby(period, key=lambda update: update.at_ms)
                yield from ((at_ms, list(told)) for at_ms, told in together)

    def tells(self, updates: Sequence[Update]) -> None:
        """These are told now."""

    def _framed(self, words: Mapping[str, bytes]) -> list[tuple[Client, bytes]]:
        places = {symbol: place for place, symbol in enumerate(words)}
        return [
            (
                client,
                b"".join(
                    Frame(Opcode.TEXT, client.session.wrap(symbol, words[symbol])).serialize(mask=False)
                    for symbol in sorted(places.keys() & client.symbols, key=places.__getitem__)
                ),
            )
            for client in self._clients
        ]


async def main(bars: Path, speed: float, subscribers: int, updates: int) -> None:
    market = Market(barfile.read(bars), updates=updates, close_delay_ms=(0, 0))
    clock = VenueClock(market.first_ms, speed)
    async with Venue(market, dialect("binance", market), clock, subscribers=subscribers) as venue:
        print(json.dumps({"websocket": venue.websocket_url, "rest": venue.rest_url}), flush=True)
        await venue.tell_forever()


if __name__ == "__main__":
    bars, speed, subscribers, *updates = sys.argv[1:]
    uvloop.run(main(Path(bars), float(speed), int(subscribers), *map(int, updates or ["0"])))
