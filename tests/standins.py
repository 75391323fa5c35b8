"""All that is between a stand-in exchange and the store: real sockets, a real server, a model that looks evenly."""

import asyncio
import ssl
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import redis.asyncio
from builders import a_manifest

from core.barfile import BarFile
from core.bars import Interval, Origin
from core.prediction import Prediction, decode
from core.windows import Windows
from daemon.exchange.clock import VenueClock
from daemon.exchange.dialects import dialect
from daemon.exchange.faults import Faults
from daemon.exchange.market import Market
from daemon.exchange.server import Exchange
from daemon.feeds import feed
from daemon.inbox import Inbox
from daemon.listening.backoff import Backoff
from daemon.listening.fills import Fills
from daemon.listening.history import History
from daemon.listening.listener import Listener
from daemon.listening.seam import Seam
from daemon.listening.ways import way_to
from daemon.listening.wire import Library
from daemon.ports import Float32s
from daemon.predicting.batch import Batch
from daemon.predicting.held import Held
from daemon.predicting.pipeline import Pipeline
from daemon.predicting.predictor import Predictor
from daemon.predicting.spoken import Spoken
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.stores.redis import RedisStore

CERTIFICATES = Path(__file__).with_name("certificates")
AT_ONCE = Backoff(first_s=0.001, last_s=0.002)
PATIENCE_S = 250.0
Row = tuple[float, ...]
Place = tuple[str, int]
"""A bar's symbol and opening time."""


class LastReturn:
    """An engine that forecasts the last return and looks evenly."""

    name = "last return"
    device = "cpu"

    def run(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        rows = inputs["bars"]
        return {"return_1": rows[:, -1, 0], "attention": np.full(rows.shape[:2], 0.25, np.float32)}


class Told:
    """What listener and predictor tell of themselves."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def feed_up(self, _venue: str, *, up: bool) -> None:
        self.counts["up" if up else "down"] += 1

    def frames(self, _venue: str, _received_at_ms: int, count: int = 1) -> None:
        self.counts["frames"] += count

    def refused(self, _venue: str) -> None:
        self.counts["refused"] += 1

    def reconnected(self, _venue: str) -> None:
        self.counts["reconnected"] += 1

    def disagreed(self, _venue: str) -> None:
        self.counts["disagreed"] += 1

    def backfilled(self, count: int) -> None:
        self.counts["backfilled"] += count

    def admitted(self, *_: object) -> None: ...

    def stage(self, *_: object) -> None: ...

    def published_now(self, spoken: Spoken) -> None:
        self.counts["published"] += len(spoken)

    def filled(self, ready: int) -> None: ...


class House:
    """A listener and a predictor with all their parts, at a stand-in that has skipped so many bars.

    `name`: the feed's. `symbols`: as it spells them, where the file does so otherwise.
    """

    def __init__(
        self,
        name: str,
        bars: BarFile,
        skipped: int,
        faults: Faults,
        folder: Path,
        symbols: Sequence[str] = (),
        *,
        speed: float | None = None,
        library: Library = "websockets",
    ) -> None:
        self.bars = bars
        self.symbols = tuple(symbols or bars.symbols)
        self.market = Market(bars, unclosed=faults.unclosed)
        side = dialect(name.rpartition(":")[2], self.market)
        start_ms = self.market.first_ms + skipped * bars.interval.ms
        self.exchange = Exchange(self.market, side, VenueClock(start_ms, speed), faults, tls=_tls())
        self.told = Told()
        self.rows: dict[Place, Row] = {}
        """The last word on each bar that the store was given."""
        self.origins: Counter[Origin] = Counter()
        manifest = a_manifest(interval=bars.interval.name)
        self.pipeline = Pipeline(manifest, "digest", publish_late=True, top=2)
        longest = max(len(part.opened_at_ms) for part in bars.symbols.values())
        self.windows = Windows(bars.interval, self.symbols, longest + 64)
        self.stored: dict[Place, Row] = {}
        """After its life: every bar that another daemon finds in the store."""
        self.published: list[Prediction] = []
        """After its life: every prediction in the stream, in its order."""
        self._keys = Keys("standin")
        self._server = EmbeddedServer(folder)
        self._kept = asyncio.Event()
        self._name = name
        self._library: Library = library

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """Live for as long as the block lasts; the market is told meanwhile, as fast as it is taken."""
        interval, exchange, told = self.bars.interval, self.exchange, self.told
        inbox = Inbox(100)
        async with asyncio.timeout(PATIENCE_S), self._server, exchange:
            venue = feed(self._name, exchange.websocket_url, exchange.rest_url)
            venue.openings = None
            venue.silence_s = 1.0 if self.exchange.clock.speed is None else 5.0
            way = way_to(venue, interval, ca_file=str(CERTIFICATES / "authority.pem"), library=self._library)
            store = RedisStore(self._server.url, self._keys, interval, self.windows.capacity, answer_s=60)
            await store.open()
            async with way.rest() as rest:
                history = History(
                    venue, rest, spacing_s=0, backoff=AT_ONCE, clock_age_s=0,
                    elapsed_s=lambda: exchange.clock.now_ms() / 1e3,
                )  # fmt: skip
                # The leaping clock outruns history by days: all of it is asked for.
                seam = Seam(
                    venue.name, interval, inbox, history, self._since, told,
                    now=lambda: 1_234.5, warmup_bars=self.windows.capacity, backoff=AT_ONCE, look_s=0.02,
                )  # fmt: skip
                fills = Fills(seam, history, interval, pauses_s=(0.0, 0.05))
                listener = Listener(
                    venue, self.symbols, interval, seam, fills, told,
                    now=lambda: 1_234.5, backoff=AT_ONCE, hello_spacing_s=0.0, wire=way,
                )  # fmt: skip
                predictor = Predictor(
                    self.pipeline, self.windows, LastReturn(), store, inbox, Held(wait_s=0.5),
                    venues=defaultdict(lambda: venue.name), since_ms={},
                    request_fill=fills.request_fill, venue_time_ms=history.venue_time_ms, watcher=told,
                    committed=self._committed, wall_ms=lambda: 10**15, clock_s=asyncio.get_running_loop().time,
                )  # fmt: skip
                async with asyncio.TaskGroup() as tasks:
                    listening = tasks.create_task(listener.listen_forever())
                    predicting = tasks.create_task(predictor.predict_until_closed())
                    self.replaying = tasks.create_task(exchange.replay())
                    yield
                    for task in (listening, predicting, self.replaying):
                        task.cancel()
            await store.close()
            self.stored, self.published = await self._stored(), await self._published()

    async def until_kept(self, expected: Mapping[Place, Row]) -> None:
        """Wait until the last word on each of these bars is the expected one."""
        while any(self.rows.get(place) != row for place, row in expected.items()):
            self._kept.clear()
            await self._kept.wait()

    async def _stored(self) -> dict[Place, Row]:
        windows = Windows(self.bars.interval, self.symbols, self.windows.capacity)
        store = RedisStore(self._server.url, self._keys, self.bars.interval, windows.capacity, answer_s=60)
        await store.open()
        await store.load(windows)
        await store.close()
        return {
            (bar.symbol, bar.opened_at_ms): bar.row
            for symbol in windows.symbols
            for bar, _, _ in windows.between(symbol, 0, 1 << 60)
        }

    async def _published(self) -> list[Prediction]:
        async with redis.asyncio.Redis.from_url(self._server.url) as client:
            entries = await client.xrange(self._keys.stream)
        return [decode(next(iter(fields.values()))).prediction for _, fields in entries]

    def _since(self, symbol: str) -> int | None:
        return self.windows.wanted_from(symbol, self.windows.capacity)

    def _committed(self, batch: Batch) -> None:
        for one in batch.stored:
            bar = one.arrival.bar
            self.rows[bar.symbol, bar.opened_at_ms] = bar.row
            self.origins[one.arrival.origin] += 1
        self._kept.set()


def rows(bars: BarFile, symbols: Iterable[str], places: slice = slice(None)) -> dict[Place, Row]:
    """The bars of a file, its symbols spelled so."""
    return {
        (symbol, int(opened_at_ms)): tuple(row)
        for symbol, part in zip(symbols, bars.symbols.values(), strict=True)
        for opened_at_ms, row in zip(part.opened_at_ms[places], part.rows[places].tolist(), strict=True)
    }


def unbroken(kept: Iterable[Place], interval: Interval, needed: int) -> set[Place]:
    """Those of the bars that have so many in a row up to them."""
    there = set(kept)
    return {
        (symbol, at_ms)
        for symbol, at_ms in there
        if all((symbol, at_ms - back * interval.ms) in there for back in range(needed))
    }


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATES / "localhost.pem")
    return context
