"""Builds the daemon from its settings and runs it until it is told to stop. The only file that knows all others."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final, NoReturn, Protocol

from core import bundle as bundles
from core import reference as references
from core.bars import Interval
from core.bundle import REFERENCE, Bundle, Manifest
from core.errors import FeedError, FencedError
from core.external import Records
from core.inputs import Inputs
from core.windows import Windows
from daemon.challenging import Opened, open_beside
from daemon.config import Config, HttpConfig, VenueConfig
from daemon.engines import OpenEngine, OpenStream, open_engine
from daemon.engines.proof import prove, stream_of, warm
from daemon.feeds import feed as open_feed
from daemon.feeds.redis import Redis
from daemon.inbox import Inbox
from daemon.listening.history import History
from daemon.listening.sources import SocketSource, Source, Sources
from daemon.listening.spelling import chosen, spelled, spelled_as, together
from daemon.listening.stream import StreamSource
from daemon.listening.wire import wire
from daemon.models import located
from daemon.ports import Feed
from daemon.predicting.ahead import Ahead
from daemon.predicting.challenger import Challenger
from daemon.predicting.held import Held
from daemon.predicting.keeper import Keeper
from daemon.predicting.known import Known, external
from daemon.predicting.parity import Parity
from daemon.predicting.pipeline import NEVER_MS, Batch, Pipeline, with_markets
from daemon.predicting.predictor import Predictor
from daemon.predicting.profile import RunningProfile
from daemon.predicting.standby import Standby
from daemon.predicting.trust import Trust
from daemon.reloading import Loaded, Reloader, load
from daemon.stores.opening import opened
from daemon.stores.redis import RedisStore
from daemon.telling.access import Certificate, read_token
from daemon.telling.http import Server
from daemon.telling.http import serve as serve_http
from daemon.telling.log import redact
from daemon.telling.metrics import Metrics
from daemon.telling.notify import Notifier
from daemon.telling.status import Status
from daemon.watching.watch import Watch
from daemon.watching.watcher import Watcher

log = logging.getLogger("gaze.app")

_SPARE_BARS: Final = 64
"""Ring slots beyond what a window needs: how late a bar may come and still find its place."""
_GAUGED: Final = 100
"""Symbols with a gauge of their own where the settings name none."""
_TICK_S: Final = 1.0
_PATIENCE_S: Final = 30.0
_DRAIN_S: Final = 20.0


def wall_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


async def serve(config: Config, started: Callable[[dict[str, str]], None]) -> None:
    """Serve until SIGTERM or SIGINT, then predict and publish what was received.

    `started` is told where the daemon listens, each time it begins to. Raises: ConfigError, BundleError, EngineError:
    it cannot start. StoreError: no store. FencedError: another daemon took over, and this one may not wait.
    """
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    bundle = bundles.read(located(Path(config.bundle.path)))
    engine, stream = _proven(config, bundle)
    while not await _served(config, bundle, engine, stream, stop, started):
        log.warning("another daemon took over, waiting behind it")


async def _served(
    config: Config,
    bundle: Bundle,
    engine: OpenEngine,
    stream: OpenStream | None,
    stop: asyncio.Event,
    started: Callable[[dict[str, str]], None],
) -> bool:
    """Serve until told to stop, which is True, or until another daemon took over and this one may wait behind it."""
    fenced = False
    try:
        async with AsyncExitStack() as stack:
            daemon = await _unless(stop, _build(config, bundle, engine, stream, stack))
            if daemon is not None:
                started({"http": daemon.url})
                await daemon.run(stop)
    except* FencedError:
        if not config.store.standby:
            raise
        fenced = True
    return not fenced


async def _unless(stop: asyncio.Event, building: Coroutine[None, None, "Daemon"]) -> "Daemon | None":
    """The daemon, or None where `stop` is set before it is there: a store or a venue may take minutes to answer."""
    built, stopped = asyncio.create_task(building), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([built, stopped], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        built.cancel()
        await asyncio.wait([built])
    return None if built.cancelled() else built.result()


def _proven(config: Config, bundle: Bundle) -> tuple[OpenEngine, OpenStream | None]:
    engine = open_engine(config.bundle.engine, bundle)
    proof = prove(engine, bundle)
    warm(engine, bundle)
    log.info(
        "the engine reproduces the golden outputs",
        extra={"engine": engine.name, "device": engine.device, "why": engine.reason, "rows": proof.rows},
    )
    stream, why = stream_of(config.bundle.graph, engine, bundle)
    graph = "whole windows at the close" if stream is None else "all but the newest row of a window before its close"
    log.info("how the model is run", extra={"graph": graph, "why": why})
    if bundle.manifest.recipe.get("data", {}).get("sessions"):
        log.warning("trained on sessions, but bars are counted by the clock: a venue that closes fills no window")
    return engine, stream


class Daemon:
    """One bundle on its feeds: its tasks, and the order in which they stop."""

    def __init__(
        self,
        url: str,
        sources: Sources,
        inbox: Inbox,
        predictor: Predictor,
        keeper: Keeper,
        parity: Parity,
        notifier: Notifier,
        ahead: Ahead | None,
        known: Known | None,
        standby: Standby | None,
        behind: Mapping[str, Callable[[], Coroutine[None, None, NoReturn]]],
    ) -> None:
        self.url = url
        self._sources = sources
        self._inbox = inbox
        self._predictor = predictor
        self._keeper = keeper
        self._parity = parity
        self._notifier = notifier
        self._ahead = ahead
        self._known = known
        self._standby = standby
        self._behind = behind

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then listen no more, and publish what was received."""
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._sources.listen_forever(), name="listen")
            predicting = tasks.create_task(self._lead_until_closed(), name="predict")
            checked = tasks.create_task(self._parity.check_forever(), name="parity")
            making = tasks.create_task(self._ahead.make_forever(), name="ahead") if self._ahead else None
            watched = tasks.create_task(self._notifier.watchdog_forever(), name="watchdog")
            told = tasks.create_task(self._tell_when_ready(), name="ready")
            known = tasks.create_task(self._known.look_forever(), name="external") if self._known else None
            behind = [tasks.create_task(work(), name=name) for name, work in self._behind.items()]
            await stop.wait()
            log.info("stopping: what was received is still published")
            self._notifier.stopping("draining")
            listening.cancel()
            told.cancel()
            self._inbox.close()
            _, late = await asyncio.wait([predicting], timeout=_DRAIN_S)
            if late:
                log.error("the store did not take the rest in time; it is fetched again at the next start")
                predicting.cancel()
            if making:
                making.cancel()
            checked.cancel()
            for one in behind:
                one.cancel()
            watched.cancel()
            if known:
                known.cancel()

    async def _lead_until_closed(self) -> None:
        """Predict, once the lease is ours."""
        heard = await self._standby.until_leading() if self._standby else []
        if heard is None:
            return
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._keeper.look_forever(), name="look")
            await self._predictor.predict_until_closed(heard)
            looking.cancel()

    async def _tell_when_ready(self) -> None:
        while not self._sources.live:  # a fact about many sockets, which no single event tells
            # A long history must not run into systemd's start timeout.
            self._notifier.extend(_PATIENCE_S)
            await asyncio.sleep(_TICK_S)
        log.info("ready", extra={"url": self.url})
        self._notifier.ready(f"serving, status page {self.url}/")


async def _build(
    config: Config, bundle: Bundle, engine: OpenEngine, stream: OpenStream | None, stack: AsyncExitStack
) -> Daemon:
    manifest = bundle.manifest
    interval = Interval.parse(manifest.interval)
    feeds = [open_feed(one.venue, one.websocket_url or None, one.rest_url or None) for one in config.feed.venues]
    by_feed = [spelled(feed, one.symbols) for feed, one in zip(feeds, config.feed.venues, strict=True)]
    symbols = together(by_feed)
    gauged = chosen(config.metrics.symbols, feeds, symbols) or symbols[:_GAUGED]
    metrics = Metrics(manifest, bundle.digest, gauged, [feed.name for feed in feeds])
    metrics.loaded(engine.name, engine.device)
    profiles, watch = _profiles(bundle, metrics), _watch(config, bundle, metrics)
    any_spelling = partial(spelled_as, feeds, set(symbols))
    known = _known(config, any_spelling, manifest, metrics, lambda: int(windows.newest_ms_S.max()) + interval.ms)
    pipeline = _pipeline(config, bundle, engine, watch, known)
    watched = with_markets(symbols, pipeline.markets)
    windows = Windows(interval, watched, pipeline.bars_needed + _SPARE_BARS)
    beside = [open_beside(config, Path(one), manifest, windows, known) for one in config.bundle.challengers]
    status = Status(metrics, _about(config, bundle, engine), len(watched))
    # A market that no venue was asked for is the first one's.
    by_feed[0] += watched[len(symbols) :]
    # The lease is taken after all that can be refused: whoever cannot start must not stop the daemon that runs.
    for feed, some in zip(feeds, by_feed, strict=True):
        feed.sockets(some, interval)
    sources = [
        await _source(feed, one, some, stack)
        for feed, one, some in zip(feeds, config.feed.venues, by_feed, strict=True)
    ]
    server = await _http(config.http, status, metrics)
    stack.push_async_callback(server.close)
    store, revive = await stack.enter_async_context(
        opened(config.store, manifest.name, interval, windows.capacity, status.lost)
    )
    status.store_back()
    keeper = Keeper(store, status, revive, look_s=config.store.lease_s / 3)
    await _restore(store, windows)
    last_ms = await _last_closed_ms(sources[0], interval)
    since_ms = await store.follow(watched, last_ms)
    predict_from_ms = dict.fromkeys(watched, NEVER_MS) | {symbol: since_ms[symbol] for symbol in symbols}
    inbox = Inbox(config.feed.inbox)
    metrics.follow_inbox(inbox)

    async def lead() -> None:
        """Go on from what the daemon before us kept."""
        await store.load(windows)
        since_ms.update(await store.follow(watched, last_ms))
        predict_from_ms.update((symbol, since_ms[symbol]) for symbol in symbols)

    def wanted_from(symbol: str) -> int:
        """What is missing of a known symbol; of a new one the window of its first bar to predict."""
        missing_ms = windows.wanted_from(symbol, windows.capacity)
        return since_ms[symbol] - (pipeline.bars_needed - 1) * interval.ms if missing_ms is None else missing_ms

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
        Ahead(windows, Inputs(manifest.inputs, interval), stream, clock_s=time.monotonic, told=metrics.ahead)
        if stream
        else None
    )
    challengers = _challengers(config, beside, windows, store, metrics, stack)
    predictor = Predictor(
        pipeline,
        windows,
        engine,
        keeper,
        inbox,
        Held(config.feed.fill_wait_s),
        venues=all_sources.venues,
        since_ms=predict_from_ms,
        profiles=profiles,
        request_fill=all_sources.request_fill,
        venue_time_ms=all_sources.venue_time_ms,
        watcher=status,
        committed=partial(_committed, [parity, *challengers]),
        wall_ms=wall_ms,
        clock_s=time.monotonic,
        ahead=ahead,
        standing=lambda: watcher.standing,
    )
    watcher = _watcher(watch, bundle.digest, store, metrics, inbox, stack)
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
    running = Loaded(bundle, engine, stream)
    behind: dict[str, Callable[[], Coroutine[None, None, NoReturn]]] = {
        "watch": watcher.watch_forever,
        "reload": _reloader(
            config, running, metrics, status, known, predictor, ahead, watcher, store, stack
        ).look_forever,
        **{f"challenger {number}": one.predict_forever for number, one in enumerate(challengers)},
    }
    return Daemon(server.url, all_sources, inbox, predictor, keeper, parity, notifier, ahead, known, standby, behind)


async def _restore(store: RedisStore, windows: Windows) -> None:
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


async def _source(feed: Feed | Redis, one: VenueConfig, symbols: Sequence[str], stack: AsyncExitStack) -> Source:
    if isinstance(feed, Redis):
        return StreamSource(feed, symbols)
    way = wire(one.proxy, one.ca_file)
    session = await stack.enter_async_context(way.session())
    return SocketSource(feed, symbols, way, History(feed, session), one.spares)


async def _http(told: HttpConfig, status: Status, metrics: Metrics) -> Server:
    certificate = Certificate(told.tls_certificate, told.tls_key) if told.tls_certificate else None
    token = read_token(told.token_file)
    return await serve_http(told.host, told.port, status, metrics, token=token, certificate=certificate)


async def _last_closed_ms(source: Source, interval: Interval) -> int:
    """The opening time of the last closed bar: the first to predict for a symbol that nobody followed before."""
    try:
        now_ms = await source.venue_time_ms()
    except FeedError as error:
        now_ms = wall_ms()
        log.warning("the venue's clock cannot be had, ours decides where predictions begin", extra={"why": str(error)})
    return interval.floor(now_ms) - interval.ms


def _watch(config: Config, bundle: Bundle, metrics: Metrics) -> Watch:
    rate = config.watch.false_alarms_per_quarter or None
    watch = Watch(bundle.manifest, references.read(bundle.arrays(REFERENCE)), rate)
    metrics.watch(watch)
    if watch.drift is None:
        log.warning("drift is not watched", extra={"why": watch.why_not})
    else:
        promised = {"false_alarms_per_quarter": watch.drift.monitor.rate, "statistics": len(watch.drift.monitor.labels)}
        log.info("drift is watched", extra=promised)
    return watch


def _pipeline(
    config: Config, bundle: Bundle, engine: OpenEngine, watch: Watch, known: Callable[[], Records] | None
) -> Pipeline:
    lacking = [watch.why_not] if watch.why_not else []
    return Pipeline(
        bundle.manifest,
        bundle.digest,
        publish_late=config.publish.late == "publish",
        top=config.publish.top,
        fill=config.publish.broken == "fill",
        trust=Trust(bundle.manifest.inputs, bundle.arrays(REFERENCE), lacking),
        engine=f"{engine.name} on {engine.device}",
        records=known,
        gone=config.feed.gone,
    )


def _reloader(
    config: Config,
    running: Loaded,
    metrics: Metrics,
    status: Status,
    known: Known | None,
    predictor: Predictor,
    ahead: Ahead | None,
    watcher: Watcher,
    store: RedisStore,
    stack: AsyncExitStack,
) -> Reloader:
    async def switch(loaded: Loaded) -> None:
        bundle, engine = loaded.bundle, loaded.engine
        watch = _watch(config, bundle, metrics)
        pipeline = _pipeline(config, bundle, engine, watch, known)
        await predictor.switch(pipeline, engine, _profiles(bundle, metrics))
        if ahead and loaded.stream:
            ahead.switch(loaded.stream)
        watcher.switch(watch, bundle.digest)
        metrics.loaded(engine.name, engine.device, bundle)
        status.now(_about(config, bundle, engine))

    def load_beside(folder: Path, before: Loaded) -> Loaded:
        return load(folder, config.bundle.engine, config.bundle.graph, before)

    commands = store.commands()
    stack.push_async_callback(commands.close)
    return Reloader(Path(config.bundle.path), running, commands, load_beside, switch, metrics.reloaded)


class _Follower(Protocol):
    """Somebody who looks at what the store has."""

    def offer(self, batch: Batch) -> None:
        """The store has it."""


def _committed(followers: Sequence[_Follower], batch: Batch) -> None:
    for one in followers:
        one.offer(batch)


def _challengers(
    config: Config,
    beside: Sequence[Opened],
    windows: Windows,
    store: RedisStore,
    metrics: Metrics,
    stack: AsyncExitStack,
) -> list[Challenger]:
    challengers = []
    for one in beside:
        record = store.shadow(one.bundle.digest)
        stack.push_async_callback(record.close)
        challengers.append(
            Challenger(
                one.pipeline,
                windows,
                one.engine,
                record,
                metrics.shadowed,
                shares=one.shares,
                maxlen=config.store.stream_maxlen,
                wall_ms=wall_ms,
            )
        )
        manifest = one.bundle.manifest
        log.info("a challenger predicts beside it", extra={"model": manifest.name, "version": manifest.version})
    return challengers


def _watcher(
    watch: Watch, digest: str, store: RedisStore, metrics: Metrics, inbox: Inbox, stack: AsyncExitStack
) -> Watcher:
    record = store.record()
    stack.push_async_callback(record.close)
    return Watcher(watch, digest, record, metrics, busy=lambda: inbox.depth > 0)


def _profiles(bundle: Bundle, metrics: Metrics) -> dict[str, RunningProfile]:
    reference = bundle.arrays(REFERENCE)
    profiles = {one.name: RunningProfile(reference[f"{one.name}.profile"]) for one in bundle.manifest.looks}
    for name, profile in profiles.items():
        metrics.follow(name, profile, float(reference[f"{name}.entropy"].mean()))
    return profiles


def _about(config: Config, bundle: Bundle, engine: OpenEngine) -> dict[str, str]:
    manifest = bundle.manifest
    venues = ", ".join(f"{one.venue}, {len(one.symbols)} symbols" for one in config.feed.venues)
    return {
        "model": f"{manifest.name} {manifest.version} ({manifest.family})",
        "digest": bundle.digest,
        "engine": f"{engine.name} on {engine.device}",
        "feed": f"{venues}, {manifest.interval} bars",
        "store": redact(config.store.url) or f"a server of our own in {config.store.directory}",
    }
