"""Bars that wait for a missing one before them, and how long they have waited."""

from collections.abc import Iterable

from core.bars import Arrival


class Held:
    """Per symbol, the bars that came too early. `wait_s`: how long a symbol waits before it goes on without."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._bars: dict[str, list[Arrival]] = {}
        self._since_s: dict[str, float] = {}

    def __len__(self) -> int:
        return sum(len(bars) for bars in self._bars.values())

    def hold(self, arrivals: Iterable[Arrival], now_s: float) -> None:
        """Keep these until the bar before them comes, or the wait is over."""
        for arrival in arrivals:
            self._bars.setdefault(arrival.bar.symbol, []).append(arrival)
            self._since_s.setdefault(arrival.bar.symbol, now_s)

    def symbols(self) -> tuple[str, ...]:
        """The symbols that hold something."""
        return tuple(self._bars)

    def first_ms(self, symbol: str) -> int | None:
        """When the earliest bar held for this symbol opens; None where none is held."""
        held = self._bars.get(symbol)
        return min(arrival.bar.opened_at_ms for arrival in held) if held else None

    def overdue(self, now_s: float) -> frozenset[str]:
        """The symbols that have waited long enough."""
        return frozenset(symbol for symbol, since in self._since_s.items() if now_s - since >= self._wait_s)

    def next_due_s(self, now_s: float) -> float | None:
        """Seconds until the next symbol is overdue; None where none waits."""
        if not self._since_s:
            return None
        return max(0.0, min(self._since_s.values()) + self._wait_s - now_s)

    def postpone(self, seconds: float) -> None:
        """Wait so much longer: while nothing could be taken in, the missing bar could not come."""
        for symbol in self._since_s:
            self._since_s[symbol] += seconds

    def release(self, symbols: Iterable[str]) -> list[Arrival]:
        """Hand back what these symbols hold, oldest first."""
        released: list[Arrival] = []
        for symbol in symbols:
            self._since_s.pop(symbol, None)
            released += sorted(self._bars.pop(symbol, []), key=lambda arrival: arrival.bar.opened_at_ms)
        return released
