"""Closed bars over a venue's REST, within its limits, and the venue's clock."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar
from urllib.parse import urlsplit

import numpy as np

from core.bars import Bar, Interval
from core.errors import FeedError, FrameError, RefusalError
from core.unclosed import suspects
from daemon.listening.backoff import Backoff
from daemon.listening.rest import Asking, UnansweredError
from daemon.listening.untraded import with_untraded
from daemon.ports import Feed, Request

log = logging.getLogger("gaze.feed")

Told = TypeVar("Told")

_OK: Final = 200
_REFUSALS: Final = frozenset({400, 404, 410, 422})
"""Asking again will not help: an unknown symbol, say."""
_LIMITED: Final = frozenset({418, 429, 503})
_EXCERPT: Final = 200
_ASKED_AGAIN: Final = 8
"""So many bars of one answer that look unclosed are asked for again."""


class RefusedError(FeedError):
    """The venue will not answer this request, however often it is asked."""


class History:
    """One venue's history. Every wait for a turn, an answer or the end of a ban is in here.

    Where the venue has no clock to ask, `now` is asked, in Unix seconds. `spacing_s`: time between two requests; None:
    as the feed says. `patience_s`: a longer ban than this is an error at once. `settle_s`: the
    last trades of a bar may reach the venue's history this long after its end. `clock_age_s`: the venue is asked for
    its time again after so long. `elapsed_s`: a clock that never goes back. `doubted`: told of bars that look unclosed
    though they were asked for a second time.
    """

    def __init__(
        self,
        feed: Feed,
        rest: Asking,
        *,
        concurrency: int = 8,
        spacing_s: float | None = None,
        tries: int = 6,
        backoff: Backoff = Backoff(first_s=0.5, last_s=30.0),  # noqa: B008 - frozen
        patience_s: float = 300.0,
        settle_s: float = 5.0,
        clock_age_s: float = 0.25,
        elapsed_s: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        doubted: Callable[[Sequence[Bar]], None] = lambda _: None,
    ) -> None:
        self._feed = feed
        self._rest = rest
        self._slots = asyncio.Semaphore(concurrency)
        self._spacing_s = feed.request_spacing_s if spacing_s is None else spacing_s
        self._tries = tries
        self._backoff = backoff
        self._patience_s = patience_s
        self._settle_ms = int(settle_s * 1_000)
        self._clock_age_s = clock_age_s
        self._elapsed_s = elapsed_s
        self._now = now
        self._doubted = doubted
        self._next_turn_s = 0.0
        self._clock: tuple[int, float] | None = None
        self._clock_lock = asyncio.Lock()

    @property
    def settle_ms(self) -> int:
        """How long after its end a bar counts as closed."""
        return self._settle_ms

    @property
    def confirms(self) -> bool:
        """Whether live bars await the word of history, since the venue's frames never say that one has closed."""
        return self._feed.grace_s is not None

    async def venue_time_ms(self) -> int:
        """Ask the venue what time it is."""
        request = self._feed.clock_request()
        venue_ms = await self._ask(request, self._feed.decode_clock) if request else int(self._now() * 1_000)
        self._clock = (venue_ms, self._elapsed_s())
        return venue_ms

    def venue_now_ms(self) -> int | None:
        """The venue's time as last told, plus what has passed since the answer came: never ahead of it."""
        if self._clock is None:
            return None
        venue_ms, told_at_s = self._clock
        return venue_ms + int((self._elapsed_s() - told_at_s) * 1_000)

    async def closed_until_ms(self, interval: Interval) -> int:
        """The end of the last bar that has closed and settled, by the venue's clock."""
        async with self._clock_lock:
            if self._clock is None or self._elapsed_s() - self._clock[1] >= self._clock_age_s:
                await self.venue_time_ms()
        now_ms = self.venue_now_ms()
        assert now_ms is not None
        return interval.floor(now_ms - self._settle_ms)

    async def bars(self, symbol: str, interval: Interval, from_ms: int, to_ms: int) -> list[Bar]:
        """The bars that open in [from_ms, to_ms) and have closed, oldest first, as far as the venue has them.

        Where a venue leaves out bars without trades they are built, once it is certain that it has left them out.
        Raises: RefusedError: the venue refuses the request. FeedError: no answer after the last try.
        """
        now_ms = self.venue_now_ms()
        if now_ms is None or interval.floor(now_ms - self._settle_ms) < to_ms:
            to_ms = min(to_ms, await self.closed_until_ms(interval))
        if self._feed.empty_after_s is None:
            return await self._believed(symbol, interval, from_ms, to_ms)
        # What is built is flat at the close before it: that is asked for too.
        before_ms = min(from_ms, to_ms - self._feed.history_limit * interval.ms)
        bars = await self._believed(symbol, interval, before_ms, to_ms)
        now_ms = self.venue_now_ms()
        assert now_ms is not None
        certain_ms = interval.floor(now_ms - int(self._feed.empty_after_s * 1_000))
        return [bar for bar in with_untraded(bars, interval, min(certain_ms, to_ms)) if bar.opened_at_ms >= from_ms]

    async def _believed(self, symbol: str, interval: Interval, from_ms: int, to_ms: int) -> list[Bar]:
        """What the venue tells, and the second time of bars that look unclosed: some settle late."""
        bars = await self._pages(symbol, interval, from_ms, to_ms)
        looked = _look_unclosed(bars, interval)
        again: dict[int, Bar] = {}
        for at_ms in looked[:_ASKED_AGAIN]:
            again |= {bar.opened_at_ms: bar for bar in await self._pages(symbol, interval, at_ms, at_ms + interval.ms)}
        if not looked:
            return bars
        bars = [again.get(bar.opened_at_ms, bar) for bar in bars]
        still = set(_look_unclosed(bars, interval))
        told = {"symbol": symbol, "looked": len(looked), "still": len(still), "first_ms": looked[0]}
        log.warning("bars of history look unclosed, asked again", extra={"venue": self._feed.name, **told})
        self._doubted([bar for bar in bars if bar.opened_at_ms in still])
        return bars

    async def _pages(self, symbol: str, interval: Interval, from_ms: int, to_ms: int) -> list[Bar]:
        found: dict[int, Bar] = {}
        page_ms = self._feed.history_limit * interval.ms
        for page_from_ms in range(from_ms, to_ms, page_ms):
            page_to_ms = min(page_from_ms + page_ms, to_ms)
            request = self._feed.history_request(symbol, interval, page_from_ms, page_to_ms)
            if request is None:
                break
            for bar in await self._ask(request, lambda body: self._feed.decode_history(symbol, interval, body, to_ms)):
                if from_ms <= bar.opened_at_ms < to_ms:
                    found[bar.opened_at_ms] = bar
        return [found[opened_at_ms] for opened_at_ms in sorted(found)]

    async def _ask(self, request: Request, decode: Callable[[bytes], Told]) -> Told:
        reason = ""
        for failures in range(self._tries):
            if failures:
                await asyncio.sleep(self._backoff.pause_s(failures - 1))
            await self._turn()
            try:
                return decode(await self._body(request))
            except RefusalError as error:
                raise RefusedError(f"{error}; try: whether the venue lists this symbol") from error
            except (UnansweredError, FrameError) as error:
                reason = str(error)
        host = urlsplit(request.url).netloc.rpartition("@")[2]
        raise FeedError(
            f"{self._feed.name}: expected history from {host}, found {reason}, "
            f"{self._tries} times; try: the network, a proxy, and whether the venue serves your region"
        )

    async def _body(self, request: Request) -> bytes:
        async with self._slots:
            answer = await self._rest.ask(request)
        if answer.status == _OK:
            return answer.body
        if answer.status in _LIMITED:
            self._stand_back(answer.retry_after_s)
        told = f"status {answer.status}: {answer.body[:_EXCERPT].decode(errors='replace')!a}"
        if answer.status in _REFUSALS:
            raise RefusedError(
                f"{self._feed.name}: expected history, found {told}; try: whether the venue lists this symbol"
            )
        raise UnansweredError(told)

    async def _turn(self) -> None:
        """Wait until the next request may go out."""
        clock = asyncio.get_running_loop().time
        while (ahead_s := self._next_turn_s - clock()) > 0:
            if ahead_s > self._patience_s:
                raise FeedError(
                    f"{self._feed.name}: the venue wants no request for {ahead_s:.0f} s; "
                    "try: fewer symbols, or another address if others share this one"
                )
            await asyncio.sleep(ahead_s)
        self._next_turn_s = clock() + self._spacing_s

    def _stand_back(self, pause_s: float) -> None:
        """Every request waits, not only the one that was told so."""
        until_s = asyncio.get_running_loop().time() + pause_s
        self._next_turn_s = max(self._next_turn_s, until_s)


def _look_unclosed(bars: Sequence[Bar], interval: Interval) -> list[int]:
    opened = np.array([bar.opened_at_ms for bar in bars], np.int64)
    found: list[int] = suspects(opened, np.array([bar.row for bar in bars]).reshape(-1, 5), interval).tolist()
    return found
