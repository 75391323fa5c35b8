"""What a model says: kinds of output and their horizons; one vocabulary for training, export, daemon, scoring."""

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What an output's numbers mean."""

    RETURN = "return"  # expected log return of the close over the horizon
    PROBABILITY = "probability"  # of the event that the label names, 0 to 1
    DIRECTION = "direction"  # probability that the close rises over the horizon, 0 to 1
    TREND = "trend"  # score from -1 (strongly down) to 1 (strongly up)
    QUANTILES = "quantiles"  # log returns at the levels named
    ORDINAL = "ordinal"  # probability of each ordered class
    DEVIATION = "deviation"  # standard deviation of the return, as the model believes it


class Output(msgspec.Struct, frozen=True):
    """One output: `kind` over `horizon` bars. `levels` names the columns where it has several."""

    kind: Kind
    horizon: int
    unit: str = ""
    levels: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()
    """What tells outcomes apart: log returns between ordered classes; how far up, as a share of the close, the highest
    price must go for the event of a probability; the log return up to which a direction is neither."""

    @property
    def name(self) -> str:
        """What the graph, the message and the metrics call it: "return_1"."""
        return f"{self.kind}_{self.horizon}"

    @property
    def width(self) -> int:
        """How many numbers it is."""
        return len(self.levels) or 1


class Attention(msgspec.Struct, frozen=True):
    """One attention output: its graph name and its axes after the batch, such as ("time",) or ("head", "time")."""

    name: str
    axes: tuple[str, ...]
    bound: float = 1.0
    """The largest weight the scoring function can give to one step: below 1 where a tanh bounds the scores."""

    @property
    def gates(self) -> bool:
        """Whether it tells how open gates are, each from 0 to 1: no weights over steps, and no look."""
        return self.axes[-1] == "gate"
