"""Predictions as a Parquet table, one row each, written as they come and moved into place when they are whole."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from core import disk
from core.bands import Margin
from core.bundle import Manifest
from core.prediction import Gaze, Prediction

if TYPE_CHECKING:
    import polars as pl

_ROWS_A_PART: Final = 50_000
_SHARES: Final = ("historical", "mid", "recent")


class PredictionTable:
    """A context in which predictions are added to a file; it appears only when the context ends well.

    Columns: symbol, ts (opening time, UTC), id, revision, close; every output by its name; of each band, of 90 % say,
    NAME_band_90_low and NAME_band_90_high; of each attention A: A_entropy, A_concentration, A_historical, A_mid,
    A_recent and A_weights, all its weights in C order.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.rows = 0
        self._path = path.absolute()
        self._manifest = manifest
        self._beside = self._path.with_name(f".{self._path.name}.writing")
        self._waiting: list[Prediction] = []
        self._parts = 0

    def __enter__(self) -> Self:
        shutil.rmtree(self._beside, ignore_errors=True)
        self._beside.mkdir(parents=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        try:
            if kind is None:
                self._join()
        finally:
            shutil.rmtree(self._beside, ignore_errors=True)

    def add(self, predictions: Sequence[Prediction]) -> None:
        """Add rows."""
        self.rows += len(predictions)
        self._waiting += predictions
        if len(self._waiting) >= _ROWS_A_PART:
            self._write_part()

    def _write_part(self) -> None:
        with disk.told(self._path):
            self._frame(self._waiting).write_parquet(self._beside / f"{self._parts:06}.parquet")
        self._parts += 1
        self._waiting = []

    def _join(self) -> None:
        import polars as pl  # noqa: PLC0415 - the daemon serves without it

        if self._waiting or not self._parts:
            self._write_part()
        whole = self._beside / "whole"
        with disk.told(self._path):
            pl.scan_parquet(sorted(self._beside.glob("*.parquet"))).sink_parquet(whole)
        whole.replace(self._path)

    def _frame(self, rows: Sequence[Prediction]) -> "pl.DataFrame":
        import polars as pl  # noqa: PLC0415 - as above

        columns = [
            pl.Series("symbol", [row.symbol for row in rows], pl.String),
            pl.Series("ts", [row.opened_at_ms for row in rows], pl.Int64).cast(pl.Datetime("ms", "UTC")),
            pl.Series("id", [row.id for row in rows], pl.String),
            pl.Series("revision", [row.revision for row in rows], pl.Int32),
            pl.Series("close", [row.close for row in rows], pl.Float64),
        ]
        for output in self._manifest.outputs:
            values = np.array([row.outputs[output.name] for row in rows], np.float32)
            columns.append(pl.Series(output.name, values))
        for margin in self._manifest.margins:
            columns += _band(margin, rows)
        for attention in self._manifest.looks:
            columns += _looked(attention.name, [row.gaze[attention.name] for row in rows])
        return pl.DataFrame(columns)


def _band(margin: Margin, rows: Sequence[Prediction]) -> "list[pl.Series]":
    import polars as pl  # noqa: PLC0415 - as above

    held = [next(one for one in row.bands[margin.output] if one.coverage == margin.coverage) for row in rows]
    name = f"{margin.output}_band_{100 * margin.coverage:g}"
    return [
        pl.Series(f"{name}_low", [one.low for one in held], pl.Float64),
        pl.Series(f"{name}_high", [one.high for one in held], pl.Float64),
    ]


def _looked(name: str, gazes: Sequence[Gaze]) -> "list[pl.Series]":
    import polars as pl  # noqa: PLC0415 - as above

    shares = zip(*(gaze.shares for gaze in gazes), strict=True) if gazes else ((), (), ())
    weights = [np.frombuffer(gaze.weights, "<f4") for gaze in gazes]
    return [
        pl.Series(f"{name}_entropy", [gaze.entropy for gaze in gazes], pl.Float64),
        pl.Series(f"{name}_concentration", [gaze.concentration for gaze in gazes], pl.Float64),
        *(
            pl.Series(f"{name}_{bucket}", list(share), pl.Float64)
            for bucket, share in zip(_SHARES, shares, strict=True)
        ),
        pl.Series(f"{name}_weights", weights, pl.List(pl.Float32)),
    ]
