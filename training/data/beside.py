"""What is known beside the bars: the external records that a recipe names, from the file it names."""

from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from core import recordfile
from core.bars import Interval, TimeArray
from core.errors import ConfigError, DataError
from core.external import External, Records
from training.recipe import Data


class Beside(msgspec.Struct, frozen=True):
    """The records and what is read of them; nothing where a recipe names none."""

    external: tuple[External, ...] = ()
    records: Records | None = None

    @classmethod
    def read(cls, data: Data) -> "Beside":
        """As a recipe says.

        Raises: ConfigError: records without a file, or named twice. DataError: no such file, or no record of a name.
        """
        if not data.external:
            return cls()
        names = [one.name for one in data.external]
        if not data.records or len(set(names)) < len(names):
            wrong = "a file of records" if not data.records else "each name once"
            raise ConfigError(f"data.external reads {', '.join(names)}, expected is {wrong}; try: --set data.records=F")
        records = recordfile.read(Path(data.records))
        lacking = sorted(set(names) - records.names)
        if lacking:
            has = ", ".join(sorted(records.names)[:8])
            raise DataError(f"{data.records} has no record of {', '.join(lacking)}, it has {has}; try: data.external")
        external = tuple(
            External(one.name, one.kind, Interval.parse(one.reach).ms, round(one.delay_s * 1_000), one.missing)
            for one in data.external
        )
        return cls(external, records)

    @property
    def fingerprint(self) -> str:
        """Of the records."""
        return self.records.fingerprint if self.records else ""

    def columns(self, symbol: str, closed_at_ms_T: TimeArray) -> npt.NDArray[np.float32]:
        """(T,) -> (T, E): what was known at each close."""
        if self.records is None:
            return np.empty((len(closed_at_ms_T), 0), np.float32)
        return self.records.columns(self.external, symbol, closed_at_ms_T).astype(np.float32)

    def happened(self, name: str, symbol: str, opened_at_ms_T: TimeArray, interval: Interval) -> npt.NDArray[np.bool_]:
        """(T,): whether an event of this name fell into each bar, by when it was known."""
        (one,) = (one for one in self.external if one.name == name)
        at_ms = self.records.takes_place(one, symbol) if self.records else opened_at_ms_T[:0]
        return np.isin(interval.numbers(opened_at_ms_T), interval.numbers(at_ms))
