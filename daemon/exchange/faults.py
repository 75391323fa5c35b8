"""What goes wrong on purpose, as pure decisions: the same seed brings the same faults."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from core.errors import UsageError
from daemon.exchange.chance import chance
from daemon.exchange.market import Update


class Break(StrEnum):
    """How a socket goes wrong."""

    DROP = "drop"
    STALL = "stall"
    HALF_FRAME = "half_frame"
    OVERSIZED = "oversized"


class Limit(StrEnum):
    """How REST refuses."""

    BAN = "ban"
    LIMIT = "limit"


Chance = Annotated[float, msgspec.Meta(description="a probability")]


class Faults(msgspec.Struct, frozen=True):
    """How likely each fault is, from 0 to 1; the last two are no probabilities."""

    seed: int = 0
    # Of a socket, in each period:
    drop: Chance = 0.0  # it breaks without a word
    stall: Chance = 0.0  # it says nothing any more, and answers nothing
    half_frame: Chance = 0.0  # it breaks in the middle of a frame
    oversized: Chance = 0.0  # it brings a frame beyond all measure
    storm: Chance = 0.0  # of a new socket: it is closed as soon as it is open
    wrong_certificate: Chance = 0.0  # of a new connection, where there is TLS: a certificate for another name
    # Of a closed bar:
    repeat: Chance = 0.0  # told twice
    reorder: Chance = 0.0  # told after the next one of its symbol
    silent_gap: Chance = 0.0  # never told, though history has it
    revise: Chance = 0.0  # told in other numbers first, and rightly once the next has opened
    garbage: Chance = 0.0  # behind a frame that is none
    unclosed: Chance = 0.0  # history shows it as it stood, for some seconds after its end
    # Of a request over REST:
    limit: Chance = 0.0  # 429, with Retry-After
    ban: Chance = 0.0  # 418, with Retry-After
    life: float = 0.0  # a socket ends after so many of the venue's hours, said before where it has a word for it
    skew: float = 0.0  # the venue's clock is so many seconds ahead of its bars

    @classmethod
    def parse(cls, settings: Iterable[str], seed: int = 0) -> "Faults":
        """Read "drop:0.05" and the like.

        Raises: UsageError: no such fault, or its probability is none.
        """
        known = [name.replace("_", "-") for name in cls.__struct_fields__ if name != "seed"]
        chosen: dict[str, float] = {}
        for setting in settings:
            name, _, told = setting.partition(":")
            if name not in known:
                raise UsageError(f"no fault is called {name!r}; there are: {', '.join(known)}. try: {known[0]}:0.01")
            least, most, unit = _RANGES.get(name, (0.0, 1.0, "a probability within 0 and 1"))
            usual = "24" if name == "life" else "0.01"
            try:
                number = float(told)
            except ValueError as error:
                raise UsageError(f"fault {setting!r} has no number; try: {name}:{usual}") from error
            if not least <= number <= most:
                raise UsageError(f"fault {setting!r}: expected is {unit}; try: {name}:{usual}")
            chosen[name.replace("-", "_")] = number
        return cls(seed, **chosen)

    def breaks(self, client: int, period_ms: int, frames: int) -> tuple[Break, int] | None:
        """How this socket breaks in this period, and after how many of its frames; None where it does not."""
        for way in Break:
            if chance(self.seed, way, client, period_ms) < getattr(self, way):
                return way, int(chance(self.seed, f"{way} after", client, period_ms) * frames)
        return None

    def turns_away(self, client: int) -> bool:
        """Whether this socket is closed as soon as it is open."""
        return chance(self.seed, "storm", client, 0) < self.storm

    def refuses(self, request: int) -> Limit | None:
        """How this request over REST is refused."""
        return next((way for way in Limit if chance(self.seed, way, request, 0) < getattr(self, way)), None)

    def hits(self, probability: float, fault: str, update: Update) -> bool:
        """Whether this fault befalls this closed bar."""
        return chance(self.seed, fault, update.bar.symbol, update.bar.opened_at_ms) < probability


_RANGES: Final = {
    "life": (0.01, 1e6, "a number of hours"),
    "skew": (-3_600.0, 3_600.0, "a number of seconds"),
}


class Disorder:
    """Repeats, swaps, swallows and falsifies closed bars, period by period."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._late: dict[str, Update] = {}

    def __call__(self, period: Iterable[Update]) -> list[Update]:
        """The period as its subscribers get it."""
        faults, late, told = self._faults, self._late, list[Update]()
        right: list[Update] = []
        self._late = {}
        for update in period:
            if not update.bar.closed:
                told.append(update)
                continue
            if faults.hits(faults.silent_gap, "silent-gap", update):
                pass
            elif faults.hits(faults.reorder, "reorder", update):
                self._late[update.bar.symbol] = update
            elif faults.hits(faults.revise, "revise", update):
                told.append(_falsified(update))
                right.append(update)
            else:
                told += [update] * (1 + faults.hits(faults.repeat, "repeat", update))
            if update.bar.symbol in late:
                told.append(late.pop(update.bar.symbol))
        return told + list(late.values()) + right


def _falsified(update: Update) -> Update:
    """The bar with half its volume, and closed where it opened."""
    bar = update.bar
    return msgspec.structs.replace(
        update, bar=msgspec.structs.replace(bar, close=bar.open, volume=round(bar.volume / 2, 3))
    )
