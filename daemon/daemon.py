"""One bundle on its feeds: its tasks, and the order in which they stop."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Final, NoReturn

from daemon.inbox import Inbox
from daemon.listening.sources import Sources
from daemon.predicting.ahead import Ahead
from daemon.predicting.keeper import Keeper
from daemon.predicting.known import Known
from daemon.predicting.parity import Parity
from daemon.predicting.predictor import Predictor
from daemon.predicting.standby import Standby
from daemon.telling.notify import Notifier

log = logging.getLogger("gaze.daemon")

_TICK_S: Final = 1.0
_PATIENCE_S: Final = 30.0
_DRAIN_S: Final = 20.0


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
