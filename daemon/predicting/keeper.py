"""Hands every batch to the store until it has it, and sees while there is none whether the store would take one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn, Protocol

from core.errors import StoreError
from daemon.ports import Entry, Store

log = logging.getLogger("gaze.store")


class Watcher(Protocol):
    """What is told of the store, for metrics and probes."""

    def store_failed(self, error: StoreError) -> None:
        """The store refused or was away; what it did not take is kept."""

    def store_back(self) -> None:
        """The store takes what it is given."""


class Keeper:
    """One store, through its bad times.

    `revive`: brings a server of our own back, if it has ended. `retry_s`: between two tries of a batch. `look_s`:
    between two looks at the store, so that also a daemon whose next bar is an hour away says what is wrong.
    """

    def __init__(
        self,
        store: Store,
        watcher: Watcher,
        revive: Callable[[], Awaitable[None]],
        *,
        retry_s: float = 1.0,
        look_s: float = 5.0,
    ) -> None:
        self._store = store
        self._watcher = watcher
        self._revive = revive
        self._retry_s = retry_s
        self._look_s = look_s
        self._away = False
        self._refused = False
        self._turn = asyncio.Lock()

    async def commit(self, entries: Sequence[Entry]) -> list[bool]:
        """As the store's, until it has it: the call is safe to repeat, and going on without it would lose the batch.

        Of several at once the store gets none before it has those asked for earlier.

        Raises: FencedError: another daemon has taken over.
        """
        # In the order in which they were asked: a store that has a later bar takes an earlier one for outdated.
        async with self._turn:
            while True:
                try:
                    went_out = await self._store.commit(entries)
                except StoreError as error:
                    self._refused = True
                    await self._failed(error)
                    await asyncio.sleep(self._retry_s)
                else:
                    self._refused = False
                    self._takes()
                    return went_out

    async def look_forever(self) -> NoReturn:
        """See that the store would take a batch. Ends only by cancellation.

        Raises: FencedError: another daemon has taken over.
        """
        while True:
            await asyncio.sleep(self._look_s)
            try:
                await self._store.beat()
            except StoreError as error:
                await self._failed(error)
            else:
                # Of what keeps a batch out only that batch can say that it is over.
                if not self._refused:
                    self._takes()

    async def _failed(self, error: StoreError) -> None:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # A client may swallow a cancellation that comes while it connects.
            raise asyncio.CancelledError
        self._watcher.store_failed(error)
        if not self._away:
            log.warning("the store does not answer; bars are kept until it does", extra={"error": str(error)})
        self._away = True
        try:
            await self._revive()
        except StoreError as still:
            log.warning("our own server cannot be brought back, trying again", extra={"error": str(still)})

    def _takes(self) -> None:
        if self._away:
            log.info("the store answers again")
        self._away = False
        self._watcher.store_back()
