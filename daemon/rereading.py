"""Settings read again while bars go on, as SIGHUP asks: what needs no restart is taken, the rest is named."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from core.described import keys
from core.errors import ConfigError
from daemon.config import Config
from daemon.telling import log as logs
from daemon.telling.notify import Notifier

log = logging.getLogger("gaze.reread")

TAKEN: Final = frozenset({"log.level", "log.format"})
"""Keys that are taken at once. Tokens, certificates and external records are read again when their files change."""


class Rereader:
    """Reads settings again whenever `asked` is set, and looks whether another version of the model is to serve."""

    def __init__(
        self,
        running: Config,
        read: Callable[[], Config],
        asked: asyncio.Event,
        look: Callable[[], Awaitable[None]],
        notifier: Notifier,
    ) -> None:
        self._running = running
        self._read = read
        self._asked = asked
        self._look = look
        self._notifier = notifier

    async def reread_forever(self) -> NoReturn:
        """Wait to be asked. Ends only by cancellation."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            self._notifier.reloading()
            outcome = self._reread()
            await self._look()
            self._notifier.reloaded(outcome)

    def _reread(self) -> str:
        try:
            wanted = self._read()
        except ConfigError as error:
            log.error("the settings are wrong, those before hold", extra={"why": str(error)})  # noqa: TRY400 - a person's error, not ours
            return "the settings are wrong, those before hold"
        logs.configure(wanted.log.level, wanted.log.format)
        waiting = [key.dotted for key in keys(Config) if key.dotted not in TAKEN and self._differs(wanted, key.dotted)]
        if waiting:
            log.warning("settings that wait for a restart", extra={"keys": waiting})
            return f"read again; {', '.join(waiting)} wait for a restart"
        log.info("the settings were read again")
        return "settings read again"

    def _differs(self, wanted: Config, dotted: str) -> bool:
        section, _, name = dotted.partition(".")
        before, after = getattr(self._running, section), getattr(wanted, section)
        return bool(getattr(before, name) != getattr(after, name))
