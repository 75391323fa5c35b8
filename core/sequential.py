"""Evidence that may be looked at whenever one likes: intervals and tests that hold at every moment together.

Confidence sequences of a bounded mean (Waudby-Smith and Ramdas 2024, predictable plug-in empirical Bernstein), which
for means that change over time cover their weighted average (Choe and Ramdas 2024); and bets against "no better", whose
capital is an e-value: under that hypothesis it ever reaches 1/alpha with probability alpha at most (Ville 1939).
"""

import math
from typing import Final

import msgspec

ALPHA: Final = 0.05
_MOST: Final = 0.5
"""No more than this share of the capital is put on one observation."""


class Mean(msgspec.Struct):
    """A running mean of observations from `low` to `high`, with its interval."""

    low: float
    high: float
    alpha: float = ALPHA
    count: int = 0
    sum: float = 0.0
    _squares: float = 0.0
    _weights: float = 0.0
    _weighted: float = 0.0
    _cost: float = 0.0

    def take(self, value: float) -> None:
        """Take in one observation."""
        x = (value - self.low) / (self.high - self.low)
        guess = (0.5 + self.sum) / (self.count + 1)
        variance = (0.25 + self._squares) / (self.count + 1)
        n = self.count + 1
        weight = min(_MOST, math.sqrt(2 * math.log(2 / self.alpha) / (variance * n * math.log(1 + n))))
        self._weights += weight
        self._weighted += weight * x
        self._cost += (x - guess) ** 2 * (-math.log1p(-weight) - weight)
        self.count = n
        self.sum += x
        self._squares += (x - (0.5 + self.sum) / (n + 1)) ** 2

    @property
    def mean(self) -> float:
        """Of all observations; NaN before the first."""
        return self.low + (self.high - self.low) * self.sum / self.count if self.count else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Holds the truth at every moment together with probability 1 - alpha."""
        if not self.count:
            return self.low, self.high
        middle = self._weighted / self._weights
        half = (math.log(2 / self.alpha) + self._cost) / self._weights
        width = self.high - self.low
        return self.low + width * max(0.0, middle - half), self.low + width * min(1.0, middle + half)


class Bet(msgspec.Struct):
    """Capital of one who bets that differences in [-1, 1] are above zero on average; 1 to begin with.

    `recent` is the same from the best moment to begin, never below 1 before a bet: it sees what changed lately, and
    reaches 1/alpha by chance no oftener than once in 1/alpha observations (an e-detector, Shin and others 2024).
    """

    log_capital: float = 0.0
    log_recent: float = 0.0
    count: int = 0
    _sum: float = 0.0
    _squares: float = 0.0

    def take(self, difference: float) -> None:
        """Take in one observation: what was put on it hangs on those before it alone."""
        mean = self._sum / (self.count + 1)
        variance = (0.25 + self._squares) / (self.count + 1)
        stake = min(_MOST, max(0.0, mean / (variance + mean * mean)))
        gain = math.log1p(stake * difference)
        self.log_capital += gain
        self.log_recent = max(0.0, self.log_recent) + gain
        self.count += 1
        self._sum += difference
        self._squares += (difference - self._sum / (self.count + 1)) ** 2
