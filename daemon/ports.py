"""What the daemon asks of a feed, an engine and a store. One page; each is implemented one file at a time."""

from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from core.bands import Margin
from core.bars import Bar, Interval
from core.windows import Windows

Float32s = npt.NDArray[np.float32]


class Socket(msgspec.Struct, frozen=True):
    """One websocket to open: where, what to say once it is open, and whose bars it carries (empty: all asked for)."""

    url: str
    hello: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()


class Request(msgspec.Struct, frozen=True):
    """One question over a venue's REST: a GET, or where there is a body of JSON, a POST."""

    url: str
    body: bytes | None = None


class Feed(Protocol):
    """One venue's dialect, pure: what to open and say, how to read what comes, how to ask for history."""

    name: str
    silence_s: float
    """A socket that brought nothing for so long is dead."""
    life_s: float | None
    """The venue ends a socket after so long; None where it says nothing of it."""
    openings: tuple[int, float] | None
    """The venue takes so many new sockets in so many seconds; None where it says nothing of it."""
    heartbeat: tuple[float, str] | None
    """Every so many seconds, send this; None where websocket pings suffice."""
    grace_s: float | None
    """So long after its end a bar counts as closed, at a venue that never says so; None where it does."""
    history_limit: int
    """Most bars in one history answer."""
    history_reach: int | None
    """History has only the last so many bars; None where it has them all."""
    request_spacing_s: float
    """Time between two REST requests that keeps within the venue's limits."""
    carries: Interval | None
    """The one interval that its frames have, and longer bars are built from; None where it has any."""
    empty_after_s: float | None
    """A bar that history still lacks so long after its end saw no trade; None where the venue tells such bars too."""

    def spelling(self, symbol: str) -> str:
        """A symbol as the venue writes it, from what a user may have written: "btcusdt", say."""

    def sockets(self, symbols: Sequence[str], interval: Interval) -> list[Socket]:
        """The sockets that carry these symbols, within the venue's limits."""

    def decode(self, frame: str | bytes) -> Sequence[Bar]:
        """The bars in a frame, open ones included; none for acks, pings and other channels.

        Raises: FrameError: not in this dialect, or a refusal by the venue. FarewellError: it will end this socket.
        """

    def clock_request(self) -> Request | None:
        """Asks the venue's time: whether a bar is closed is for its clock to say. None: it has no clock to ask."""

    def decode_clock(self, body: bytes) -> int:
        """The venue's time, Unix milliseconds."""

    def history_request(self, symbol: str, interval: Interval, from_ms: int, to_ms: int) -> Request | None:
        """Asks for the bars that open in [from_ms, to_ms), at most `history_limit`. None: there is no history."""

    def decode_history(self, symbol: str, interval: Interval, body: bytes, now_ms: int) -> list[Bar]:
        """The bars that had closed by the venue's `now_ms`, oldest first. The one still forming is left out."""


class Engine(Protocol):
    """Something that runs one model."""

    name: str
    device: str

    def run(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        """Every input (N, T, F) -> every output (N, ...). A row's bits do not depend on which rows are beside it.

        Raises: ModelError: it failed.
        """


class StreamingEngine(Protocol):
    """The same model in two parts: one that runs before the newest bar closes, and a small one that runs then.

    step() of what prefix() made gives the bits that an Engine's run() gives of the whole window, in any batch. Where
    windows expand, carry() makes of a window's states those of the window that is one bar longer.
    """

    recent: int
    """Rows that carry() is given; 0 where states cannot be carried on."""

    def prefix(self, inputs: dict[str, Float32s]) -> dict[str, Float32s]:
        """All rows but the newest of every input (N, T-1, F) -> states, each (N, ...), to keep for the close."""

    def step(self, states: dict[str, Float32s], newest: dict[str, Float32s]) -> dict[str, Float32s]:
        """States and the newest row of every input (N, 1, F) -> every output (N, ...)."""

    def carry(self, states: dict[str, Float32s], recent: dict[str, Float32s]) -> dict[str, Float32s]:
        """States, and so many newest rows of every input, the last of them new (N, R, F) -> states, each (N, ...)."""


class Standing(msgspec.Struct, frozen=True):
    """How a model stands: the statistics that have drifted, the furthest first, and its margins as they are now.

    `young`: outputs whose margins have seen too few outcomes here to be more than those of the bundle. `drift`: how far
    the running profile of each attention is from its reference.
    """

    drifting: tuple[str, ...] = ()
    margins: tuple[Margin, ...] = ()
    young: tuple[str, ...] = ()
    drift: dict[str, float] = {}


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One bar to keep, and the message to publish with it; `message` is None where there is nothing to publish."""

    symbol: str
    opened_at_ms: int
    revision: int
    row: tuple[float, float, float, float, float]
    message: bytes | None = None


class Store(Protocol):
    """Where windows and predictions live. One process owns it at a time."""

    async def open(self) -> None:
        """Connect and take the lease. Raises: StoreError: it cannot be reached."""

    async def seek(self) -> str | None:
        """Take the lease unless its holder is alive; otherwise says who that is. Raises: StoreError."""

    async def load(self, windows: Windows) -> int:
        """Fill the mirror from what is kept; returns how many bars. Rows of another time or broken ones are left."""

    async def follow(self, symbols: Sequence[str], from_ms: int) -> dict[str, int]:
        """The opening time of each symbol's first bar to predict: `from_ms` for a symbol never followed before.

        Once set it stays, so that a daemon killed while it warmed up predicts the same bars as one that was not.
        """

    async def commit(self, entries: Sequence[Entry]) -> list[bool]:
        """Keep all bars and publish all messages in one atomic step, each once.

        Returns for each entry whether its message went out now: False if it had gone out before, or has none.
        Raises: StoreError: unknown whether it was written; repeating the same call is safe. FencedError: another
        daemon has taken over.
        """

    async def beat(self) -> None:
        """See that commit() would take something. Raises: StoreError: it would not. FencedError: as commit()."""

    async def close(self) -> None:
        """Let go of it."""
