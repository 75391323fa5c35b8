"""A file as somebody has it, as a table: CSV (also .gz or .zip, with or without a header), Parquet, Feather."""

import gzip
import io
import zipfile
from pathlib import Path
from typing import Final

import polars as pl

from core.errors import DataError

KLINE: Final = (
    "Open time",
    "Open",
    "High",
    "Low",
    "Close",
    "Volume",
    "Close time",
    "Quote asset volume",
    "Number of trades",
    "Taker buy base asset volume",
    "Taker buy quote asset volume",
    "Ignore",
)
"""The twelve columns of Binance's dumps, which come without a header."""

_COLUMNAR: Final = {b"PAR1": "Parquet", b"ARRO": "Feather"}
_SEPARATORS: Final = ",;\t|"
_PLAIN_COLUMNS: Final = 6


def open_table(path: Path) -> tuple[pl.DataFrame, str]:
    """The table, every CSV column as text, and what kind of file it was taken for.

    Raises: DataError: no such file, or none of these kinds.
    """
    if not path.is_file():
        raise DataError(f"expected a file of bars, found nothing at {path}; try: ls {path.parent}")
    with path.open("rb") as file:
        kind = _COLUMNAR.get(file.read(4))
    try:
        if kind:
            return (pl.read_parquet(path) if kind == "Parquet" else pl.read_ipc(path)), kind
        return _csv(path, _decompressed(path))
    except (pl.exceptions.PolarsError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is neither CSV nor Parquet ({error}); try: a CSV with a header line") from error


def _decompressed(path: Path) -> bytes:
    raw = path.read_bytes()
    if raw.startswith(b"\x1f\x8b"):
        return gzip.decompress(raw)
    if raw.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            names = archive.namelist()
            if len(names) != 1:
                raise DataError(f"{path} holds {len(names)} files, expected one; try: unzip it first")
            return archive.read(names[0])
    return raw


def _csv(path: Path, raw: bytes) -> tuple[pl.DataFrame, str]:
    lines = raw[:65_536].decode("utf-8-sig", "replace").splitlines()
    # Some publishers write their address above the header.
    above = next((number for number, line in enumerate(lines) if _width(line) > 1), None)
    if above is None:
        raise DataError(f"{path} has no line with several columns; try: a CSV with a header line")
    first = lines[above]
    separator = max(_SEPARATORS, key=first.count)
    headless = all(_is_number(field) for field in first.split(separator) if field)
    table = pl.read_csv(
        raw, separator=separator, skip_lines=above, has_header=not headless, infer_schema=False, raise_if_empty=False
    )
    told = ""
    if separator != ",":
        table, told = _with_points(table)
    if not headless:
        return table.rename(lambda name: name.strip().lstrip("\ufeff")), f"CSV{told}"
    if table.width not in (len(KLINE), _PLAIN_COLUMNS):
        raise DataError(
            f"{path} has no header and {table.width} columns; expected 12 (a Binance dump) or 6 (time, open, high, "
            "low, close, volume); try: write the names of the columns into its first line"
        )
    names = KLINE[: table.width]
    return table.rename(
        dict(zip(table.columns, names, strict=True))
    ), f"CSV without a header, {table.width} columns{told}"


def _with_points(table: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Numbers with decimal points where they have commas, and a word on it. 1,234 alone might be a thousand."""
    numbers = [name for name in table.columns if table[name].drop_nulls().str.contains(r"^\s*-?\d+(,\d+)?\s*$").all()]
    surely = [name for name in numbers if table[name].str.contains(r",(\d{1,2}|\d{4,})\s*$").any()]
    if not surely:
        return table, ""
    return table.with_columns(pl.col(numbers).str.replace(",", ".", literal=True)), " with decimal commas"


def _width(line: str) -> int:
    return 1 + max(line.count(separator) for separator in _SEPARATORS)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
