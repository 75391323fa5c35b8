"""One socket whose words are a test's own: what comes together, and what stands between."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from venues import HOUR, Desk, Venue, kline

from core.bars import Bar
from core.errors import FrameError
from daemon.feeds.binance import Binance
from daemon.listening.line import AT_ONCE, Line
from daemon.listening.rest import Asking
from daemon.ports import Socket

BTC = "BTCUSDT"
GARBAGE = b"{"
FAREWELL = b'{"stream":"","data":{"e":"serverShutdown","E":1}}'


def words(*numbers: int) -> list[bytes]:
    """The frames of the bars of these hours."""
    return [kline(Venue.bar(BTC, number)).encode() for number in numbers]


class Script:
    """A way to a venue that tells frames in these batches, and is lost then."""

    def __init__(self, *batches: Sequence[bytes]) -> None:
        self._batches = iter(batches)

    @asynccontextmanager
    async def open(self, _url: str, *, pings: bool) -> AsyncIterator["Script"]:  # noqa: ARG002 - as a socket's
        """It is open at once."""
        yield self

    async def send(self, message: str) -> None:
        """Nobody listens."""

    async def frames(self, most: int) -> Sequence[bytes]:
        """The next batch."""
        batch = next(self._batches, None)
        if batch is None:
            raise ConnectionError("the script is over")
        assert len(batch) <= most
        return batch

    @asynccontextmanager
    async def rest(self) -> AsyncIterator[Asking]:
        """Never asked."""
        raise AssertionError
        yield


class Reading:
    """A line over such a way, and all that it tells."""

    def __init__(self, desk: Desk, feed: Binance, script: Script) -> None:
        self.taken: list[list[int]] = []
        self.heard: list[tuple[int, int]] = []
        self.line = Line(
            feed, Socket("ws://venue"), (BTC,), HOUR, desk.seam, script,
            take=self._take, heard=self._hear, covered=lambda: True, changed=lambda: None,
            hello_spacing_s=0.0, due_s=None,
        )  # fmt: skip

    async def _take(self, bars: Sequence[Bar]) -> None:
        self.taken.append([(bar.opened_at_ms - Venue.bar(BTC, 0).opened_at_ms) // HOUR.ms for bar in bars])

    def _hear(self, count: int, refused: Sequence[FrameError]) -> None:
        self.heard.append((count, len(refused)))


@pytest.fixture
def reading(a_desk: Callable[..., Desk], feed: Binance) -> Callable[..., Reading]:
    """A builder: reading these batches."""
    return lambda *batches: Reading(a_desk(), feed, Script(*batches))


async def test_what_comes_together_is_passed_on_together_and_a_frame_alone_alone(reading: Callable[..., Reading]):
    one = reading(words(1), words(2, 3, 4), words(5))
    assert await one.line.talk() == "the script is over"
    assert one.taken == [[1], [2, 3, 4], [5]]
    assert one.heard == [(1, 0), (3, 0), (1, 0)]


async def test_a_frame_that_is_none_costs_no_bar_beside_it(reading: Callable[..., Reading]):
    one = reading([*words(1, 2), GARBAGE, *words(3), GARBAGE])
    await one.line.talk()
    assert one.taken == [[1, 2, 3]]
    assert one.heard == [(5, 2)]


async def test_a_farewell_amid_bars_is_heard_and_no_bar_is_lost(reading: Callable[..., Reading]):
    one = reading([*words(1), FAREWELL, *words(2)])
    await one.line.talk()
    assert one.line.due.is_set()
    assert one.taken == [[1, 2]]
    assert one.heard == [(3, 0)]


async def test_too_many_refused_in_a_row_over_batches_end_it_behind_the_bars_before(reading: Callable[..., Reading]):
    one = reading([*words(1), *[GARBAGE] * 20], [GARBAGE] * 40, words(2))
    assert "50 frames in a row were refused" in await one.line.talk()
    assert one.taken == [[1], []]
    assert one.heard == [(21, 20), (30, 30)]


async def test_one_good_frame_ends_the_row_of_refused_ones(reading: Callable[..., Reading]):
    one = reading([GARBAGE] * 49, [*words(1), *[GARBAGE] * 49], words(2))
    assert await one.line.talk() == "the script is over"
    assert one.taken == [[], [1], [2]]


async def test_while_a_burst_is_read_others_have_their_turn(reading: Callable[..., Reading]):
    one = reading(*(words(*range(AT_ONCE)) for _ in range(4)))
    seen: list[int] = []

    async def look() -> None:
        while True:
            seen.append(len(one.taken))
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    await one.line.talk()
    looking.cancel()
    assert {1, 2, 3} <= set(seen)
