"""One connection to Redis: commands out, answers in, opened anew after every failure, wherever writes go by then."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

from hiredis import pack_command
from redis.asyncio.connection import Connection
from redis.exceptions import AskError, ClusterDownError, MasterDownError, ReadOnlyError, RedisError, ResponseError

from core.errors import StoreError
from daemon.stores.address import Address, connect

_ADVICE: Final = {
    "username-password": "set the right user and password in store.url",
    "authenticat": "set the right user and password in store.url",
    "permission": "give its user the rights listed in docs/reference/redis.md",
    "can't run this command": "give its user the rights listed in docs/reference/redis.md",
    "read only replica": "point store.url at the primary",
    "enough good replicas": "bring a replica back, or lower min-replicas-to-write",
    "maxmemory": "raise maxmemory, or lower store.stream_maxlen",
    "misconf": "free space on the disk of the Redis server",
    "loading": "wait until it has read its data",
    "moved": "point store.url at the cluster: redis+cluster://host:6379",
    "crossslot": "point store.url at the cluster: redis+cluster://host:6379",
    "cluster support disabled": "leave +cluster out of store.url: redis://host:6379",
    "clusterdown": "bring the cluster back",
    "no master found": "see that the Sentinels know the service, and have a primary for it",
    "certificate": "set ssl_ca_certs, and ssl_certfile and ssl_keyfile where it asks for them, in store.url",
    "wrong kind of value": "delete the foreign key under the name gaze:, or use another database",
}
_END: Final = b"\r\n"
_OUT_OF_REACH: Final = "see that the server runs and that store.url is right"
_ELSEWHERE: Final = (ReadOnlyError, AskError, ClusterDownError, MasterDownError)
"""Refusals by a server that is not, or no longer, where writes go; MovedError is an AskError."""


Command = bytes | Sequence[bytes]
"""As Redis reads it, whole or in pieces."""


def command(*words: bytes | str | int) -> bytes:
    """A command as Redis reads it."""
    return bytes(pack_command(words))  # type: ignore[arg-type] # its stub knows only commands of one word


def long_command(words: int, pieces: Iterable[bytes]) -> Sequence[bytes]:
    """A command of so many words, made of pieces: most of them are known before, and large words are not copied."""
    return [b"*%d\r\n" % words, *pieces]


def piece(*words: bytes | str | int) -> bytes:
    """These words of a long command."""
    return command(*words).partition(_END)[2]


def pieces(small: bytes, large: bytes) -> tuple[bytes, bytes, bytes]:
    """These two words of a long command; the large one is not copied."""
    return b"$%d\r\n%b\r\n$%d\r\n" % (len(small), small, len(large)), large, _END


class Wire:
    """One connection to where an address leads. `answer_s`: within this time all of what was asked is answered."""

    def __init__(self, address: Address, answer_s: float) -> None:
        self._address = address
        self._answer_s = answer_s
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    @property
    def name(self) -> str:
        """Where it leads, without secrets."""
        return self._address.name

    async def ask(self, commands: Iterable[Command]) -> list[Any]:
        """Send all, then read all answers; a refused command's answer is its ResponseError.

        Raises: StoreError: the server cannot be reached, or did not answer in time.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(self._answer_s):
                    connection = self._connection = self._connection or await self._opened()
                    asked = 0
                    for told in commands:
                        await connection.send_packed_command(told, check_health=False)
                        asked += 1
                    answers = [await _answer(connection) for _ in range(asked)]
            except BaseException as error:
                # What is still under way would be read as the answer to the next call.
                await self._leave()
                if isinstance(error, RedisError | OSError):
                    raise self.failure(error) from error
                raise
            if any(map(_elsewhere, answers)):
                await self._leave()
            return answers

    async def demand(self, commands: Iterable[Command]) -> list[Any]:
        """As ask(). Raises: StoreError: also where one is refused."""
        answers = await self.ask(commands)
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise self.failure(answer)
        return answers

    def failure(self, error: RedisError | OSError) -> StoreError:
        """What went wrong, and what to do about it."""
        told = str(error)
        if isinstance(error, TimeoutError):
            told = f"no answer within {self._answer_s:g} s"
        known = f"{type(error).__name__} {told}".lower()
        advice = next((advice for word, advice in _ADVICE.items() if word in known), _OUT_OF_REACH)
        return StoreError(f"Redis at {self.name}: {told}; try: {advice}")

    async def close(self) -> None:
        """Let go of the connection; the next call opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect()

    async def _opened(self) -> Connection:
        return connect(await self._address.place())

    async def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)


async def _answer(connection: Connection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as refusal:
        return refusal


def _elsewhere(answer: Any) -> bool:
    # Within a script's error the words are all that is left of its kind.
    return isinstance(answer, _ELSEWHERE) or (isinstance(answer, ResponseError) and "read only replica" in str(answer))
