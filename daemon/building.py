"""Builds the daemon from its settings: what knows what, and in which order it opens."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final, NoReturn, Protocol

from core.bars import Interval
from core.bundle import Bundle, Manifest
from core.errors import ConfigError, FeedError
from core.inputs import Inputs
from core.sessions import Sessions
from core.windows import Windows
from daemon.challenging import open_beside
from daemon.clock import wall_ms
from daemon.config import Config, HttpConfig, VenueConfig
from daemon.daemon import Daemon
from daemon.engines import OpenEngine, OpenStream
from daemon.feeds.redis import Redis
from daemon.following import follow
from daemon.inbox import Inbox
from daemon.listening.history import History
from daemon.listening.sources import SocketSource, Source, Sources
from daemon.listening.spelling import spelled_as
from daemon.listening.stream import StreamSource
from daemon.listening.ways import way_to
from daemon.ports import Feed
from daemon.predicting.ahead import Ahead
from daemon.predicting.batch import Batch
from daemon.predicting.held import Held
from daemon.predicting.keeper import Keeper
from daemon.predicting.known import Known, external
from daemon.predicting.parity import Parity
from daemon.predicting.pipeline import NEVER_MS, with_markets
from daemon.predicting.predictor import Predictor
from daemon.predicting.standby import Standby
from daemon.reloading import Loaded
from daemon.rereading import Rereader
from daemon.serving import about, challengers_of, challengers_watched, pipeline_of, reloader, watch_of, watcher_of
from daemon.stores.neighbours import Neighbours
from daemon.stores.opening import opened
from daemon.stores.recovery import Loss
from daemon.stores.redis import RedisStore
from daemon.telling.access import Certificate, Token
from daemon.telling.http import Server
from daemon.telling.http import serve as serve_http
from daemon.telling.metrics import Metrics
from daemon.telling.notify import Notifier
from daemon.telling.status import Status
from daemon.watching.watcher import Watcher

log = logging.getLogger("gaze.building")

SPARE_BARS: Final = 64
"""Ring slots beyond what a window needs: how late a bar may come and still find its place."""


async def build(
    config: Config,
    bundle: Bundle,
    engine: OpenEngine,
    stream: OpenStream | None,
    stack: AsyncExitStack,
    read: Callable[[], Config],
    reread: asyncio.Event,
) -> Daemon:
    """Open everything, in the order in which it may be refused; `stack` closes it again.

    Settings are read again by `read` whenever `reread` is set.

    Raises: ConfigError, BundleError, EngineError: it cannot start. StoreError: no store. FencedError: another leads.
    """
    manifest = bundle.manifest
    interval = manifest.grid
    followed = follow(config)
    feeds, symbols, by_feed = followed.feeds, followed.symbols, [*followed.by_feed]
    metrics = Metrics(manifest, bundle.digest, followed.gauged, [feed.name for feed in feeds])
    metrics.loaded(engine.name, engine.device)
    any_spelling = partial(spelled_as, feeds, set(symbols))
    watch = watch_of(config.watch, bundle, metrics, any_spelling)
    known = _known(config, any_spelling, manifest, metrics, lambda: int(windows.newest_ms_S.max()) + interval.ms)
    pipeline = pipeline_of(config, bundle, engine, watch, known)
    watched = with_markets(symbols, pipeline.markets)
    windows = Windows(interval, watched, interval.slots(pipeline.bars_needed + SPARE_BARS))
    beside = [open_beside(config, Path(one), manifest, windows, known) for one in config.bundle.challengers]
    status = Status(metrics, about(config, bundle, engine), len(watched))
    # A market that no venue was asked for is the first one's.
    by_feed[0] += watched[len(symbols) :]
    # The lease is taken after all that can be refused: whoever cannot start must not stop the daemon that runs.
    for feed, some in zip(feeds, by_feed, strict=True):
        feed.sockets(some, interval)
    sources = [
        await _source(feed, one, some, interval, metrics, stack)
        for feed, one, some in zip(feeds, followed.venues, by_feed, strict=True)
    ]
    server = await _http(config.http, status, metrics)
    stack.push_async_callback(server.close)
    store, revive, neighbours = await stack.enter_async_context(
        opened(config.store, manifest.name, interval, windows.capacity, partial(_lost, status, lambda: watcher))
    )
    status.store_back()
    keeper = Keeper(store, status, revive, look_s=config.store.lease_s / 3)
    await _restore(store, neighbours, symbols, windows)
    last_ms = await _last_closed_ms(sources[0], interval)
    since_ms = await store.follow(watched, last_ms)
    predict_from_ms = dict.fromkeys(watched, NEVER_MS) | {symbol: since_ms[symbol] for symbol in symbols}
    inbox = metrics.follow_inbox(Inbox(config.feed.inbox))

    async def lead() -> None:
        """Go on from what the daemon before us kept."""
        await neighbours.settle(store, symbols)
        await store.load(windows)
        since_ms.update(await store.follow(watched, last_ms))
        predict_from_ms.update((symbol, since_ms[symbol]) for symbol in symbols)

    def wanted_from(symbol: str) -> int:
        """What is missing of a known symbol; of a new one the window of its first bar to predict."""
        missing_ms = windows.wanted_from(symbol, windows.capacity)
        return interval.after(since_ms[symbol], 1 - pipeline.bars_needed) if missing_ms is None else missing_ms

    for source in sources:
        source.join(interval, inbox, wanted_from, metrics, now=time.time, warmup_bars=pipeline.bars_needed + 1)
    all_sources = Sources(sources)
    status.feed_is(lambda: all_sources.live)
    parity = Parity(
        manifest.inputs,
        windows,
        store,
        metrics,
        windows_per_minute=config.parity.windows_per_minute,
        clock_s=time.monotonic,
        records=known,
    )
    ahead = (
        Ahead(
            windows,
            Inputs(manifest.inputs, interval),
            stream,
            clock_s=time.monotonic,
            told=metrics.ahead,
            fill=config.publish.broken == "fill",
        )
        if stream
        else None
    )
    challengers = challengers_of(config, beside, windows, store, metrics, stack)
    predictor = Predictor(
        pipeline,
        windows,
        engine,
        keeper,
        inbox,
        Held(config.feed.fill_wait_s),
        venues=all_sources.venues,
        since_ms=predict_from_ms,
        request_fill=all_sources.request_fill,
        venue_time_ms=all_sources.venue_time_ms,
        watcher=status,
        committed=partial(_committed, [parity, *challengers]),
        wall_ms=wall_ms,
        clock_s=time.monotonic,
        ahead=ahead,
        standing=lambda: watcher.standing,
    )
    watcher: Watcher = watcher_of(
        watch, bundle.digest, store, metrics, predictor, stack, config.store.stream_maxlen // 2
    )
    notifier = stack.enter_context(contextlib.closing(Notifier(os.environ)))
    standby = (
        Standby(
            store,
            inbox,
            windows,
            status,
            lead,
            venues=all_sources.venues,
            fewest_bars=pipeline.fewest_bars,
            look_s=config.store.lease_s / 6,
            wall_ms=wall_ms,
            ahead=ahead,
        )
        if config.store.standby
        else None
    )
    reloads = reloader(
        config,
        Loaded(bundle, engine, stream),
        metrics,
        status,
        known,
        predictor,
        ahead,
        watcher,
        any_spelling,
        store,
        stack,
    )
    behind: dict[str, Callable[[], Coroutine[None, None, NoReturn]]] = {
        "watch": watcher.watch_forever,
        "reload": reloads.look_forever,
        "reread": Rereader(config, read, reread, reloads.look, notifier).reread_forever,
        **_of_server(config, store, neighbours, predictor, stack),
        **{f"challenger {number}": one.predict_forever for number, one in enumerate(challengers)},
        **challengers_watched(config, beside, lambda: watcher.watch, store, metrics, predictor, stack),
    }
    return Daemon(server.url, all_sources, inbox, predictor, keeper, parity, notifier, ahead, known, standby, behind)


def _of_server(
    config: Config, store: RedisStore, neighbours: Neighbours, predictor: Predictor, stack: AsyncExitStack
) -> dict[str, Callable[[], Coroutine[None, None, NoReturn]]]:
    """A server of our own has nobody beside us, and its file is ours to keep short."""
    if config.store.url:
        return {"shards": partial(neighbours.stay_known_forever, store)}
    file = store.append_only_file(lambda: predictor.at_work)
    stack.push_async_callback(file.close)
    return {"append-only file": file.rewrite_forever}


def _lost(status: Status, watcher: Callable[[], Watcher], loss: Loss) -> None:
    """The record is another one now than that which was watched."""
    status.lost(loss)
    watcher().begin_again()


async def _restore(store: RedisStore, neighbours: Neighbours, symbols: Sequence[str], windows: Windows) -> None:
    if store.leads:
        await neighbours.settle(store, symbols)
    kept = await store.load(windows)
    store.guard(windows)
    log.info("windows are back", extra={"bars": kept, "store": store.address})


def _known(
    config: Config, spelling: Callable[[str], str], manifest: Manifest, told: Metrics, until_ms: Callable[[], int]
) -> Known | None:
    """The external records, for a model that reads any."""
    wanted, settings = external(manifest.inputs), config.external
    if not wanted:
        return None
    return Known(settings.path, wanted, spelling, told, look_s=settings.look_s, closed_until_ms=until_ms)


async def _source(
    feed: Feed | Redis,
    one: VenueConfig,
    symbols: Sequence[str],
    interval: Interval,
    metrics: Metrics,
    stack: AsyncExitStack,
) -> Source:
    if isinstance(feed, Redis):
        return StreamSource(feed, symbols)
    way = way_to(feed, interval, one.proxy, one.ca_file, one.sockets)
    rest = await stack.enter_async_context(way.rest())
    return SocketSource(feed, symbols, way, History(feed, rest, doubted=metrics.doubted), one.spares)


async def _http(told: HttpConfig, status: Status, metrics: Metrics) -> Server:
    certificate = Certificate(told.tls_certificate, told.tls_key) if told.tls_certificate else None
    token = Token(told.token_file) if told.token_file else None
    return await serve_http(told.host, told.port, status, metrics, token=token, certificate=certificate)


async def _last_closed_ms(source: Source, interval: Interval) -> int:
    """The opening time of the last closed bar: the first to predict for a symbol that nobody followed before."""
    try:
        now_ms = await source.venue_time_ms()
    except FeedError as error:
        now_ms = wall_ms()
        log.warning("the venue's clock cannot be had, ours decides where predictions begin", extra={"why": str(error)})
    if isinstance(interval, Sessions) and interval.end_ms <= now_ms:
        raise ConfigError("the bundle's venue has no more sessions; try: gaze train on newer bars, and gaze export")
    return interval.after(interval.floor(now_ms), -1)


class _Follower(Protocol):
    """Somebody who looks at what the store has."""

    def offer(self, batch: Batch) -> None:
        """The store has it."""


def _committed(followers: Sequence[_Follower], batch: Batch) -> None:
    for one in followers:
        one.offer(batch)
