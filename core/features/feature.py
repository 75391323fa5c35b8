"""What a feature is."""

import msgspec

from core.features.kernel import Together, Value


class Feature(msgspec.Struct, frozen=True):
    """A number at each bar that depends on the last `lookback` bars, the bar itself included, and on nothing else.

    `source` is where its definition comes from: a paper, a book, or the formula itself where it is common knowledge.
    `log_returns`: whether it may read LOG_RETURN; one that looks far back says where it does not: logarithms are dear.
    """

    name: str
    value: Value | Together
    parameters: tuple[float, ...]
    lookback: int
    unit: str
    source: str
    log_returns: bool = True

    @property
    def family(self) -> str:
        """The file it is written in: returns, volatility, volume, momentum, trend, calendar or market."""
        return self.value.__module__.rpartition(".")[2]
