"""Another version of the model, while bars go on: opened and proven beside the one that runs, then switched to.

What decides is the file `live` of a model folder, or "serve VERSION" pushed to a list in Redis, which writes that file.
A version that cannot take over changes nothing, and `live` names the one that runs again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final, NoReturn, Protocol

import msgspec

from core import bundle as bundles
from core.bundle import Bundle
from core.errors import BundleError, ConfigError, ModelError, StoreError
from daemon.engines import OpenEngine, OpenStream, open_engine
from daemon.engines.proof import prove, stream_of, warm
from daemon.models import located, promote

log = logging.getLogger("gaze.reload")

LOOK_S: Final = 2.0
_SERVE: Final = "serve"


class Loaded(msgspec.Struct, frozen=True):
    """A bundle that reproduces its golden outputs here, warm."""

    bundle: Bundle
    engine: OpenEngine
    stream: OpenStream | None


class Commands(Protocol):
    """What is asked of the daemon while it runs."""

    async def next(self) -> str:
        """The next command; nothing when there is none. Raises: StoreError."""


def load(folder: Path, engine: str, graph: str, running: Loaded) -> Loaded:
    """Open a bundle that is to take over from the one that runs.

    Raises: ConfigError, BundleError, EngineError: it is damaged, not proven here, or asks for a restart.
    """
    bundle = bundles.read(folder)
    new, old = bundle.manifest, running.bundle.manifest
    same = {
        "name": new.name == old.name,
        "interval": new.interval == old.interval,
        "inputs": new.inputs == old.inputs,
        "outputs": new.outputs == old.outputs,
        "attentions": new.attentions == old.attentions,
    }
    other = [what for what, is_same in same.items() if not is_same]
    if other:
        raise BundleError(f"{folder} has other {' and '.join(other)} than the bundle that runs; try: restart with it")
    opened = open_engine(engine, bundle)
    prove(opened, bundle)
    warm(opened, bundle)
    stream, _ = stream_of(graph, opened, bundle)
    if (stream is None) != (running.stream is None):
        raise BundleError(f"one of {folder} and the bundle that runs can be run before the close; try: restart with it")
    return Loaded(bundle, opened, stream)


class Reloader:
    """Looks whether another version is to serve. `path`: a model folder; a bundle alone is never replaced.

    `switch` takes a loaded bundle into service between two bars, and calls back where that fails later and the one
    before serves again; `told` hears "switched", "refused" or "rolled back".
    """

    def __init__(
        self,
        path: Path,
        running: Loaded,
        commands: Commands,
        load: Callable[[Path, Loaded], Loaded],
        switch: Callable[[Loaded, Callable[[str], None]], Awaitable[None]],
        told: Callable[[str], None],
        *,
        look_s: float = LOOK_S,
    ) -> None:
        self._path = path
        self._running = running
        self._commands = commands
        self._load = load
        self._switch = switch
        self._told = told
        self._look_s = look_s
        self._looking = asyncio.Lock()

    async def look_forever(self) -> NoReturn:
        """Look, and switch. Ends only by cancellation."""
        while True:
            await asyncio.sleep(self._look_s)
            await self.look()

    async def look(self) -> None:
        """Obey what was asked since the last look, and serve what `live` names."""
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        serving = self._running.bundle.folder
        try:
            await self._obey()
            wanted = located(self._path)
            if wanted.resolve() == serving.resolve() or wanted == self._path:
                return
            loaded = await asyncio.to_thread(self._load, wanted, self._running)
            await self._switch(loaded, partial(self._failed, loaded, self._running))
        except (ConfigError, ModelError) as error:
            log.warning("not switched, the bundle that ran goes on", extra={"why": str(error)})
            self._told("refused")
            promote(self._path, serving.name)
            return
        self._running = loaded
        manifest = loaded.bundle.manifest
        now = {"model": manifest.name, "version": manifest.version, "digest": loaded.bundle.digest}
        log.info("switched between two bars", extra=now)
        self._told("switched")

    def _failed(self, after: Loaded, before: Loaded, why: str) -> None:
        """A version that had taken over failed as it ran, and the one before serves again."""
        failed = {"version": after.bundle.manifest.version, "serves": before.bundle.manifest.version, "why": why}
        log.error("rolled back, the version before serves again", extra=failed)
        self._running = before
        promote(self._path, before.bundle.folder.name)
        self._told("rolled back")

    async def _obey(self) -> None:
        try:
            asked = await self._commands.next()
        except StoreError:
            # The predictor meets the same failure, and tells of it.
            return
        command, _, version = asked.partition(" ")
        if not asked:
            return
        if command != _SERVE or not version or Path(version).name != version:
            raise ConfigError(f"the command {asked!r} is not known; try: {_SERVE} VERSION")
        promote(self._path, version)
