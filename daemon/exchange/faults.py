"""What goes wrong on purpose, as pure decisions: the same seed brings the same faults."""

from collections.abc import Iterable

import msgspec

from core.errors import UsageError
from daemon.exchange.chance import chance
from daemon.exchange.market import Update


class Faults(msgspec.Struct, frozen=True):
    """How likely each fault is: `drop` for each socket and period, the others for each closed bar."""

    seed: int = 0
    drop: float = 0.0  # the socket breaks without a word
    repeat: float = 0.0  # a closed bar is told twice
    reorder: float = 0.0  # a closed bar is told after the next one of its symbol
    silent_gap: float = 0.0  # a closed bar is never told, though history has it

    @classmethod
    def parse(cls, settings: Iterable[str], seed: int = 0) -> "Faults":
        """Read "drop:0.05" and the like.

        Raises: UsageError: no such fault, or its probability is none.
        """
        known = [name.replace("_", "-") for name in cls.__struct_fields__ if name != "seed"]
        chosen: dict[str, float] = {}
        for setting in settings:
            name, _, probability = setting.partition(":")
            if name not in known:
                raise UsageError(f"no fault is called {name!r}; there are: {', '.join(known)}. try: {known[0]}:0.01")
            try:
                chosen[name.replace("-", "_")] = float(probability)
            except ValueError as error:
                raise UsageError(f"fault {setting!r} has no probability; try: {name}:0.01") from error
            if not 0.0 <= chosen[name.replace("-", "_")] <= 1.0:
                raise UsageError(f"fault {setting!r}: the probability is not within 0 and 1; try: {name}:0.01")
        return cls(seed, **chosen)

    def drops_after(self, client: int, period_ms: int, frames: int) -> int | None:
        """After how many of a period's frames this socket breaks, or None."""
        if chance(self.seed, "drop", client, period_ms) >= self.drop:
            return None
        return int(chance(self.seed, "drop after", client, period_ms) * frames)

    def hits(self, probability: float, fault: str, update: Update) -> bool:
        """Whether this fault befalls this closed bar."""
        return chance(self.seed, fault, update.bar.symbol, update.bar.opened_at_ms) < probability


class Disorder:
    """Repeats, swaps and swallows closed bars, period by period."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._late: dict[str, Update] = {}

    def __call__(self, period: Iterable[Update]) -> list[Update]:
        """The period as its subscribers get it."""
        faults, late, told = self._faults, self._late, list[Update]()
        self._late = {}
        for update in period:
            if not update.bar.closed:
                told.append(update)
                continue
            if faults.hits(faults.silent_gap, "silent-gap", update):
                pass
            elif faults.hits(faults.reorder, "reorder", update):
                self._late[update.bar.symbol] = update
            else:
                told += [update] * (1 + faults.hits(faults.repeat, "repeat", update))
            if update.bar.symbol in late:
                told.append(late.pop(update.bar.symbol))
        return told + list(late.values())
