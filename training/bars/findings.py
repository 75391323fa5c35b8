"""What a check says: findings, each with its symbol, time and reason, and a summary of each interval."""

from enum import StrEnum

import msgspec
import polars as pl


class Severity(StrEnum):
    """How bad a finding is. Only errors change the exit status, and only under --strict."""

    ERROR = "error"  # cannot be true, or training and serving refuse it
    WARNING = "warning"  # probably wrong: look at it
    NOTE = "note"  # true of the market as often as not


class Kind(StrEnum):
    """What is wrong."""

    ORDER = "order"
    DUPLICATE = "duplicate"
    NULL = "null"
    INCONSISTENT = "inconsistent"
    OFF_GRID = "off_grid"
    GAP = "gap"
    OUTLIER = "outlier"
    UNCLOSED = "unclosed"
    DISAGREES = "disagrees"
    LAST_BAR = "last_bar"
    NO_VOLUME = "no_volume"
    FLAT = "flat"


class Finding(msgspec.Struct, frozen=True):
    """One thing wrong with `bars` bars of a symbol in a row, the first of which opens at `ts` (UTC, ISO 8601)."""

    kind: Kind
    severity: Severity
    interval: str
    symbol: str
    ts: str
    bars: int
    reason: str


class Span(msgspec.Struct, frozen=True):
    """All bars of one interval. `trading`: "24x7", or "sessions" where the market closes at times."""

    interval: str
    trading: str
    symbols: int
    bars: int
    first: str
    last: str
    gaps: int
    missing: int
    largest_gap: Finding | None


class Report(msgspec.Struct, frozen=True):
    """A checked file. `compared`: how many bars of "1h from 30m" could be compared in full, by pair of intervals."""

    path: str
    spans: list[Span]
    compared: dict[str, int]
    findings: list[Finding]

    @property
    def errors(self) -> int:
        """How many findings cannot be let pass."""
        return sum(finding.severity is Severity.ERROR for finding in self.findings)


def iso(column: str = "ts") -> pl.Expr:
    """A UTC time as people and JSON read it."""
    return pl.col(column).dt.strftime("%Y-%m-%dT%H:%M:%SZ").fill_null("no time")


def found(rows: pl.DataFrame, kind: Kind, severity: Severity, interval: str) -> list[Finding]:
    """Findings from rows with symbol, ts, reason and, where one stands for several bars, bars."""
    if "bars" not in rows.columns:
        rows = rows.with_columns(bars=pl.lit(1))
    told = rows.select("symbol", iso(), "bars", "reason").iter_rows()
    return [Finding(kind, severity, interval, symbol or "no symbol", ts, bars, why) for symbol, ts, bars, why in told]


def runs(table: pl.DataFrame, wrong: pl.Expr) -> pl.DataFrame:
    """The first row of each run of wrong rows of a symbol, with its length as bars."""
    marked = table.with_columns(wrong.fill_null(value=False).alias("_wrong"))
    number = (pl.col("_wrong") != pl.col("_wrong").shift()).fill_null(value=True).cum_sum().over("symbol")
    return (
        marked.with_columns(number.alias("_run"))
        .filter("_wrong")
        .group_by("symbol", "_run", maintain_order=True)
        .agg(pl.all().first(), pl.len().alias("bars"))
    )
