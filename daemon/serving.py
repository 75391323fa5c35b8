"""What hangs on the bundle that serves, made anew when another one takes its place between two bars."""

import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NoReturn

import msgspec

from core import reference as references
from core.bundle import REFERENCE, Bundle
from core.external import Records
from core.windows import Windows
from daemon.challenging import Opened
from daemon.clock import wall_ms
from daemon.config import Config, WatchConfig
from daemon.engines import OpenEngine, OpenStream, open_engine
from daemon.engines.proof import prove, stream_of, warm
from daemon.predicting.ahead import Ahead
from daemon.predicting.challenger import Challenger
from daemon.predicting.known import Known
from daemon.predicting.pipeline import Pipeline
from daemon.predicting.predictor import Predictor
from daemon.predicting.trust import Trust
from daemon.reloading import Loaded, Reloader, load
from daemon.stores.redis import RedisStore
from daemon.telling.log import redact
from daemon.telling.metrics import Metrics
from daemon.telling.status import Status
from daemon.watching.watch import Watch
from daemon.watching.watcher import Watcher

log = logging.getLogger("gaze.serving")


def proven(config: Config, bundle: Bundle) -> tuple[OpenEngine, OpenStream | None]:
    """The engine and what runs windows ahead, proven. Raises: EngineError, BundleError: it does not reproduce."""
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
    return engine, stream


def pipeline_of(
    config: Config, bundle: Bundle, engine: OpenEngine, watch: Watch, known: Callable[[], Records] | None
) -> Pipeline:
    """Bars to messages, as the settings and this bundle have them."""
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


def watch_of(settings: WatchConfig, bundle: Bundle, metrics: Metrics, spelling: Callable[[str], str] = str) -> Watch:
    """What is watched of drift, and said at once where it cannot be. `spelling`: of a symbol, as bars name it."""
    rate = settings.false_alarms_per_quarter or None
    groups = {name: tuple(map(spelling, some)) for name, some in settings.groups.items()}
    reference = bundle.arrays(REFERENCE)
    profiles = {one.name: reference[f"{one.name}.profile"] for one in bundle.manifest.looks}
    watch = Watch(bundle.manifest, references.read(reference), rate, profiles, groups)
    metrics.watch(watch, {name: float(reference[f"{name}.entropy"].mean()) for name in profiles})
    if watch.drift is None:
        log.warning("drift is not watched", extra={"why": watch.why_not})
    else:
        promised = {"false_alarms_per_quarter": watch.drift.monitor.rate, "statistics": len(watch.drift.monitor.labels)}
        log.info("drift is watched", extra=promised)
    return watch


def about(config: Config, bundle: Bundle, engine: OpenEngine) -> dict[str, str]:
    """What the status page says of it."""
    manifest = bundle.manifest
    venues = ", ".join(f"{one.venue}, {len(one.symbols)} symbols" for one in config.feed.venues)
    return {
        "model": f"{manifest.name} {manifest.version} ({manifest.family})",
        "digest": bundle.digest,
        "engine": f"{engine.name} on {engine.device}",
        "feed": f"{venues}, {manifest.interval} bars",
        "store": redact(config.store.url) or f"a server of our own in {config.store.directory}",
    }


def reloader(
    config: Config,
    running: Loaded,
    metrics: Metrics,
    status: Status,
    known: Known | None,
    predictor: Predictor,
    ahead: Ahead | None,
    watcher: Watcher,
    spelling: Callable[[str], str],
    store: RedisStore,
    stack: AsyncExitStack,
) -> Reloader:
    """What puts another version in the place of this one, between two bars."""
    serving = running

    def now_serves(loaded: Loaded, watch: Watch) -> None:
        nonlocal serving
        serving = loaded
        if ahead and loaded.stream:
            ahead.switch(loaded.stream)
        watcher.switch(watch, loaded.bundle.digest)
        metrics.loaded(loaded.engine.name, loaded.engine.device, loaded.bundle)
        status.now(about(config, loaded.bundle, loaded.engine))

    async def switch(loaded: Loaded, failed: Callable[[str], None]) -> None:
        watch, before = watch_of(config.watch, loaded.bundle, metrics, spelling), serving

        def went_back(why: str) -> None:
            now_serves(before, watch_of(config.watch, before.bundle, metrics, spelling))
            failed(why)

        pipeline = pipeline_of(config, loaded.bundle, loaded.engine, watch, known)
        await predictor.switch(pipeline, loaded.engine, went_back)
        now_serves(loaded, watch)

    def load_beside(folder: Path, before: Loaded) -> Loaded:
        loaded = load(folder, config.bundle.engine, config.bundle.graph, before)
        return msgspec.structs.replace(loaded, bundle=loaded.bundle.closed_on(config.feed.closed))

    commands = store.commands()
    stack.push_async_callback(commands.close)
    return Reloader(Path(config.bundle.path), running, commands, load_beside, switch, metrics.reloaded)


def challengers_of(
    config: Config,
    beside: Sequence[Opened],
    windows: Windows,
    store: RedisStore,
    metrics: Metrics,
    stack: AsyncExitStack,
) -> list[Challenger]:
    """Those that predict beside it, each to a stream of its own."""
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


def challengers_watched(
    config: Config,
    beside: Sequence[Opened],
    champion: Callable[[], Watch],
    store: RedisStore,
    metrics: Metrics,
    predictor: Predictor,
    stack: AsyncExitStack,
) -> dict[str, Callable[[], Coroutine[None, None, NoReturn]]]:
    """What folds over the streams of the challengers, to tell how they stand beside what serves; by the task's name."""
    watchers = {}
    for number, one in enumerate(beside):
        reference = references.read(one.bundle.arrays(REFERENCE))
        rate = config.watch.false_alarms_per_quarter or None
        told = metrics.challenger(one.bundle.manifest.version, champion)
        record = store.shadow(one.bundle.digest)
        stack.push_async_callback(record.close)
        watch = Watch(one.bundle.manifest, reference, rate)
        busy, clock_s = (lambda: predictor.at_work), time.monotonic
        memory = store.memory(one.bundle.digest)
        stack.push_async_callback(memory.close)
        every = config.store.stream_maxlen // 2
        watcher = Watcher(watch, one.bundle.digest, record, memory, told, busy=busy, clock_s=clock_s, keep_every=every)
        watchers[f"watch challenger {number}"] = watcher.watch_forever
    return watchers


def watcher_of(
    watch: Watch,
    digest: str,
    store: RedisStore,
    metrics: Metrics,
    predictor: Predictor,
    stack: AsyncExitStack,
    keep_every: int,
) -> Watcher:
    """What folds over the published stream while the predictor has nothing to do."""
    record, memory = store.record(), store.memory()
    stack.push_async_callback(record.close)
    stack.push_async_callback(memory.close)
    busy, clock_s = (lambda: predictor.at_work), time.monotonic
    return Watcher(watch, digest, record, memory, metrics, busy=busy, clock_s=clock_s, keep_every=keep_every)
