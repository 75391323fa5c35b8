"""Runs the daemon until it is told to stop, or until another one takes over and this one may wait behind it."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from core import bundle as bundles
from core.bundle import Bundle
from core.errors import FencedError
from daemon.building import build
from daemon.config import Config
from daemon.daemon import Daemon
from daemon.engines import OpenEngine, OpenStream
from daemon.models import located
from daemon.serving import proven

log = logging.getLogger("gaze.app")


async def serve(
    config: Config, started: Callable[[dict[str, str]], None], read: Callable[[], Config] | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, then predict and publish what was received.

    `started` is told where the daemon listens, each time it begins to. `read` reads the settings again, at SIGHUP.
    Raises: ConfigError, BundleError, EngineError: it cannot start. StoreError: no store. FencedError: another daemon
    took over, and this one may not wait.
    """
    stop, reread = asyncio.Event(), asyncio.Event()
    # A terminal that is closed says SIGHUP too, and nobody would see what went on without it.
    hung_up = stop if os.isatty(0) else reread
    for name, said in ((signal.SIGTERM, stop), (signal.SIGINT, stop), (signal.SIGHUP, hung_up)):
        asyncio.get_running_loop().add_signal_handler(name, said.set)
    build_one = partial(build, read=read or (lambda: config), reread=reread)
    bundle = bundles.read(located(Path(config.bundle.path))).closed_on(config.feed.closed)
    engine, stream = proven(config, bundle)
    while not await _served(config, bundle, engine, stream, stop, started, build_one):
        log.warning("another daemon took over, waiting behind it")


async def _served(
    config: Config,
    bundle: Bundle,
    engine: OpenEngine,
    stream: OpenStream | None,
    stop: asyncio.Event,
    started: Callable[[dict[str, str]], None],
    build_one: Callable[..., Coroutine[None, None, Daemon]],
) -> bool:
    """Serve until told to stop, which is True, or until another daemon took over and this one may wait behind it."""
    fenced = False
    try:
        async with AsyncExitStack() as stack:
            daemon = await _unless(stop, build_one(config, bundle, engine, stream, stack))
            if daemon is not None:
                started({"http": daemon.url})
                await daemon.run(stop)
    except* FencedError:
        if not config.store.standby:
            raise
        fenced = True
    return not fenced


async def _unless(stop: asyncio.Event, building: Coroutine[None, None, Daemon]) -> Daemon | None:
    """The daemon, or None where `stop` is set before it is there: a store or a venue may take minutes to answer."""
    built, stopped = asyncio.create_task(building), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([built, stopped], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        built.cancel()
        await asyncio.wait([built])
    return None if built.cancelled() else built.result()
