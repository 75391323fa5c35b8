"""What a bundle is watched by: the arrays of reference.npz, beside those that tell how attention looked.

C periods of the reference, K statistics, H heads of an attention, P parts of a window, J distances, S symbols.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from core.drift import calibration
from core.drift.calibration import Limits
from core.drift.statistics import QUARTER_MS, Names, part_edges

LOW: Final = "range.low."
"""With an input's name: (F,), the least value of each feature in training."""
HIGH: Final = "range.high."
"""The largest."""
_WATCH: Final = "watch."

Arrays = dict[str, npt.NDArray[Any]]


class Usual(msgspec.Struct, frozen=True):
    """How each symbol was on its own: the mean of every statistic over its rows, and how far rows lie apart."""

    symbols: tuple[str, ...]
    mean_SK: npt.NDArray[np.float64]
    spread_K: npt.NDArray[np.float64]


class Reference(msgspec.Struct, frozen=True):
    """Out-of-sample predictions as what is watched of them: `values_CK`, and of each attention `parts` (C, H, P).

    `rows`: predictions in a period, as a rule. `limits`: None where it is too short to be watched by.
    """

    names: Names
    period_ms: int
    rows: float
    steps: dict[str, int]
    """Of each attention, how many steps it looks over."""
    values_CK: npt.NDArray[np.float64]
    parts: dict[str, npt.NDArray[np.float64]]
    limits: Limits | None
    usual: Usual | None = None
    """None in bundles that do not tell it yet, or have too many symbols."""

    @property
    def profiles(self) -> npt.NDArray[np.float64]:
        """(C, A, P): all heads of all attentions; a shorter window has zeros behind its parts."""
        return side_by_side(self.parts, len(self.values_CK))

    @property
    def heads(self) -> tuple[str, ...]:
        """What the A heads of `profiles` are called."""
        return tuple(head for heads in self.names.heads.values() for head in heads)

    def bars_ago(self, head: str, part: int) -> tuple[int, int]:
        """The first and the last bar of a part of the window of one of these heads, counted back from the newest."""
        (name,) = (name for name, heads in self.names.heads.items() if head in heads)
        steps = self.steps[name]
        edges = part_edges(steps)
        return steps - 1 - int(edges[part]), steps - int(edges[part + 1])


def side_by_side(parts: Mapping[str, npt.NDArray[np.float64]], count: int) -> npt.NDArray[np.float64]:
    """(C, H, P) of each attention -> (C, A, P) of all."""
    most = max((one.shape[2] for one in parts.values()), default=1)
    wide = [np.pad(one, ((0, 0), (0, 0), (0, most - one.shape[2]))) for one in parts.values()]
    return np.concatenate(wide, axis=1) if wide else np.zeros((count, 0, most))


def arrays(reference: Reference) -> Arrays:
    """As they stand in reference.npz."""
    told: Arrays = {
        "names": np.array(reference.names.names),
        "groups": np.array(reference.names.groups),
        "period_ms": np.array(reference.period_ms),
        "rows": np.array(reference.rows),
        "values": reference.values_CK.astype(np.float32),
    }
    for name, parts in reference.parts.items():
        told[f"parts.{name}"] = parts.astype(np.float32)
        told[f"heads.{name}"] = np.array(reference.names.heads[name])
        told[f"steps.{name}"] = np.array(reference.steps[name])
    limits = reference.limits
    if limits is not None:
        told |= {
            "version": np.array(calibration.VERSION),
            "windows": np.array(limits.windows),
            "usual": limits.usual_J,
            "level": limits.level_L,
            "rate": limits.rate_L,
            "supported": np.array(limits.supported),
        }
    usual = reference.usual
    if usual is not None:
        told |= {
            "symbols": np.array(usual.symbols),
            "mean": usual.mean_SK.astype(np.float32),
            "spread": usual.spread_K.astype(np.float32),
        }
    return {_WATCH + name: array for name, array in told.items()}


def read(stored: Mapping[str, npt.NDArray[Any]]) -> Reference | None:
    """From the arrays of reference.npz; None where a bundle has no such reference."""
    told = {name.removeprefix(_WATCH): array for name, array in stored.items() if name.startswith(_WATCH)}
    if not told:
        return None
    looks = [name.removeprefix("parts.") for name in told if name.startswith("parts.")]
    heads = {name: tuple(told[f"heads.{name}"].tolist()) for name in looks}
    read = Reference(
        Names(tuple(told["names"].tolist()), tuple(told["groups"].tolist()), heads),
        int(told["period_ms"]),
        float(told["rows"]),
        {name: int(told[f"steps.{name}"]) for name in looks},
        told["values"].astype(np.float64),
        {name: told[f"parts.{name}"].astype(np.float64) for name in looks},
        None,
        _usual(told),
    )
    return msgspec.structs.replace(read, limits=_limits(told, read)) if "usual" in told else read


def _limits(told: Arrays, read: Reference) -> Limits | None:
    """As they were stored; of a bundle whose limits were made in another way, made anew from the same reference."""
    if int(told.get("version", 0)) != calibration.VERSION:
        return calibration.calibrated(read.values_CK, read.profiles, QUARTER_MS // read.period_ms)
    windows = tuple(told["windows"].tolist())
    return Limits(windows, told["usual"], told["level"], told["rate"], float(told["supported"]))


def _usual(told: Arrays) -> Usual | None:
    if "symbols" not in told:
        return None
    return Usual(tuple(told["symbols"].tolist()), told["mean"].astype(np.float64), told["spread"].astype(np.float64))
