"""A recorded stream of predictions, and how it differs from a replay of the same bars."""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec

from core.errors import UNREADABLE, DataError, UsageError
from core.prediction import Prediction, decode
from daemon.replaying.replay import Span
from daemon.stores.embedded import EmbeddedServer
from daemon.stores.keys import Keys
from daemon.telling.reading import AWAY, answering, told

_A_READ: Final = 1_000
_SHOWN: Final = 10

Bar = tuple[str, int]
"""A symbol and an opening time."""


class Said(msgspec.Struct, frozen=True, gc=False):
    """What was said about a bar, as of its latest revision."""

    revision: int
    fingerprint: bytes


class Differences(msgspec.Struct, frozen=True):
    """How a replay compares with what was recorded; `examples` are the first bars of each kind."""

    compared: int
    different: int
    only_recorded: int
    only_replayed: int
    examples: dict[str, list[Bar]]

    @property
    def total(self) -> int:
        """How many bars were said of otherwise, or by one of the two only."""
        return self.different + self.only_recorded + self.only_replayed


class Recorded:
    """What a daemon published of one bundle. `others`: the digests of other bundles on the same stream."""

    def __init__(self, digest: str) -> None:
        self.said: dict[Bar, Said] = {}
        self.others: set[str] = set()
        self._digest = digest

    def take(self, prediction: Prediction) -> None:
        """Remember it, unless a later revision of its bar is known."""
        if prediction.digest != self._digest:
            self.others.add(prediction.digest)
            return
        bar = prediction.symbol, prediction.opened_at_ms
        known = self.said.get(bar)
        if known is None or known.revision <= prediction.revision:
            self.said[bar] = Said(prediction.revision, fingerprint(prediction))

    def span(self) -> tuple[int, int]:
        """From the opening of the first bar to after that of the last.

        Raises: DataError: nothing was recorded of this bundle.
        """
        if not self.said:
            others = f", only of {', '.join(sorted(self.others))}" if self.others else ""
            raise DataError(f"nothing is recorded of bundle {self._digest}{others}; try: --bundle, or another stream")
        times = [opened_at_ms for _, opened_at_ms in self.said]
        return min(times), max(times) + 1


class Comparison:
    """Holds a replay against what was recorded, bar by bar: all but id and revision must have the same bits.

    `since_ms`: per symbol the first bar recorded; what the replay says of earlier ones is not compared. `every_bar`:
    whether the daemon published every bar, late ones included.
    """

    def __init__(self, recorded: Recorded, span: Span, *, every_bar: bool) -> None:
        wanted = {
            bar: said
            for bar, said in recorded.said.items()
            if bar[0] in span.symbols and span.from_ms <= bar[1] < span.to_ms
        }
        self._left = wanted
        self._last_ms = dict(sorted(wanted))
        self._first_ms = dict(sorted(wanted, reverse=True))
        self._every_bar = every_bar
        self._compared = 0
        self._found: dict[str, list[Bar]] = {"different": [], "only_replayed": []}

    def take(self, predictions: Iterable[Prediction]) -> None:
        """Compare what the replay said."""
        for prediction in predictions:
            bar = prediction.symbol, prediction.opened_at_ms
            said = self._left.pop(bar, None)
            if said is not None:
                self._compared += 1
                if said.fingerprint != fingerprint(prediction):
                    self._found["different"].append(bar)
            elif self._every_bar and self._first_ms.get(bar[0], bar[1]) < bar[1] < self._last_ms.get(bar[0], bar[1]):
                self._found["only_replayed"].append(bar)

    def differences(self) -> Differences:
        """What was found once the replay is over."""
        found = self._found | {"only_recorded": sorted(self._left)}
        return Differences(
            compared=self._compared,
            examples={kind: bars[:_SHOWN] for kind, bars in found.items() if bars},
            **{kind: len(bars) for kind, bars in found.items()},
        )


def fingerprint(prediction: Prediction) -> bytes:
    """Of everything said about a bar, whichever revision it was."""
    plain = msgspec.structs.replace(prediction, id="", revision=0)
    return blake2b(msgspec.json.encode(plain), digest_size=16).digest()


async def read(where: str, keys: Keys, digest: str) -> Recorded:
    """The stream at a Redis URL, or in the folder of a daemon's own store, whether that daemon runs or not.

    Raises: UsageError: no such place. StoreError: it does not answer.
    """
    recorded = Recorded(digest)
    async with AsyncExitStack() as stack:
        client = await connected(where, keys.shard, stack)
        await _read(client, keys.stream, recorded)
    return recorded


async def connected(where: str, shard: str, stack: AsyncExitStack) -> Any:
    """A client of the Redis that a store.url names, or of a daemon's own store in a folder, started if it rests.

    What Redis refuses from then on leaves `stack` as a StoreError. Raises: UsageError: no such place. StoreError: it
    does not answer.
    """
    url = where if "://" in where else await _own_store(Path(where), stack)
    stack.enter_context(told(url))
    return await stack.enter_async_context(answering(url, shard))


async def _read(client: Any, stream: str, recorded: Recorded) -> None:
    after = "-"
    while entries := await client.xrange(stream, min=after, count=_A_READ):
        for _, fields in entries:
            recorded.take(_prediction(fields, stream))
        after = f"({entries[-1][0].decode()}"


def _prediction(fields: dict[bytes, bytes], stream: str) -> Prediction:
    try:
        return decode(fields[b"message"]).prediction
    except (KeyError, *UNREADABLE) as error:
        raise DataError(f"{stream} holds something else than predictions ({error}); try: another stream") from error


async def _own_store(folder: Path, stack: AsyncExitStack) -> str:
    if not (folder / "lock").is_file():
        raise UsageError(f"{folder} holds no store; try: [store] directory of the daemon, or a Redis URL")
    server = EmbeddedServer(folder)
    if not await _answers(server.url):
        await stack.enter_async_context(server)
    return server.url


async def _answers(url: str) -> bool:
    try:
        async with answering(url, "0"):
            return True
    except AWAY:
        return False
