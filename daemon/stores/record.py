"""The record of what was published, read behind the daemon that writes it, over a connection of its own."""

from collections.abc import Callable
from typing import Final

from core.errors import UNREADABLE
from core.prediction import Prediction, decode
from daemon.stores.address import address
from daemon.stores.keys import Keys
from daemon.stores.recovery import Fence
from daemon.stores.wire import Wire, command

_BEGIN: Final = "0-0"
_ANSWER_S: Final = 10.0


class Record:
    """The stream of one model in one shard. Raises: ConfigError: `url` is not a Redis address."""

    def __init__(self, url: str, keys: Keys, stream: str) -> None:
        self._wire = Wire(address(url, keys.lease), _ANSWER_S)
        self._stream = stream
        self._position = _BEGIN
        self._first = b""

    async def read(self, count: int) -> list[bytes]:
        """The next messages, at most so many; none when all is read. Raises: StoreError: the server is away."""
        after = self._position
        [entries] = await self._wire.demand([command("XRANGE", self._stream, f"({after}", "+", "COUNT", count)])
        if after != self._position:
            return []  # rewound meanwhile
        if entries and after == _BEGIN:
            self._first = entries[0][0]
        if entries:
            self._position = entries[-1][0].decode()
        return [fields[1] for _, fields in entries]

    async def whole(self) -> bool:
        """Whether the stream still has the first message that was read. Raises: StoreError: the server is away."""
        [entries] = await self._wire.demand([command("XRANGE", self._stream, "-", "+", "COUNT", 1)])
        return [entry[0] for entry in entries] == [self._first]

    def rewind(self) -> None:
        """Begin with the first message again."""
        self._position = _BEGIN

    @property
    def place(self) -> tuple[str, str]:
        """The ids of the last message that was read, and of the first."""
        return self._position, self._first.decode()

    async def go_on(self, last: str, first: str) -> bool:
        """Begin behind this message, as who has read from the first to it; not where it is no longer there.

        Whatever came after it is there then: streams are trimmed at their beginning. Raises: StoreError.
        """
        [entries] = await self._wire.demand([command("XRANGE", self._stream, last, last)])
        if entries:
            self._position, self._first = last, first.encode()
        return bool(entries)

    async def append(self, messages: list[bytes], maxlen: int) -> None:
        """Write messages behind the others. Raises: StoreError: unknown whether they were written."""
        adds = [command("XADD", self._stream, "MAXLEN", "~", maxlen, "*", "message", one) for one in messages]
        await self._wire.demand(adds)

    async def close(self) -> None:
        """Let go of the connection."""
        await self._wire.close()


class Memory:
    """One value that a daemon puts away, and the next one finds. `held`: what says who may write, None who may not."""

    def __init__(self, url: str, keys: Keys, key: str, held: Callable[[], Fence | None]) -> None:
        self._wire = Wire(address(url, keys.lease), _ANSWER_S)
        self._key = key
        self._held = held

    async def load(self) -> bytes:
        """What was put away last; nothing where nothing was. Raises: StoreError: the server is away."""
        [told] = await self._wire.demand([command("GET", self._key)])
        return told or b""

    async def save(self, told: bytes) -> None:
        """Put this away in place of what was there; who has not the lease puts away nothing. Raises: StoreError."""
        fence = self._held()
        if fence is not None:
            await self._wire.demand([fence.guard("SET", self._key, told)])

    async def close(self) -> None:
        """Let go of the connection."""
        await self._wire.close()


class Commands:
    """What is asked of a daemon while it runs: a list that others push to."""

    def __init__(self, url: str, keys: Keys) -> None:
        self._wire = Wire(address(url, keys.lease), _ANSWER_S)
        self._pop = command("LPOP", keys.commands)

    async def next(self) -> str:
        """The next command; nothing when there is none. Raises: StoreError: the server is away."""
        [told] = await self._wire.demand([self._pop])
        return told.decode(errors="replace").strip() if told else ""

    async def close(self) -> None:
        """Let go of the connection."""
        await self._wire.close()


def said(raw: list[bytes], digest: str) -> list[Prediction]:
    """What a bundle said in these messages; others, and what is no message, are passed over."""
    predictions = []
    for one in raw:
        try:
            prediction = decode(one).prediction
        except UNREADABLE:
            continue
        if prediction.digest == digest:
            predictions.append(prediction)
    return predictions
