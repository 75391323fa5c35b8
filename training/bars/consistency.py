"""The sentence of `core.bars.inconsistency`, for a whole table at once."""

import polars as pl

from core.bars import COLUMNS


def inconsistency() -> pl.Expr:
    """Why the numbers of a row cannot be true, as text; null where they can."""
    low, high = pl.col("low"), pl.col("high")
    absurd = [
        *((pl.col(name).is_null(), pl.lit(f"{name} is missing")) for name in COLUMNS),
        *((~pl.col(name).is_finite(), pl.format(f"{name} is {{}}", name)) for name in COLUMNS),
        (low <= 0, pl.format("low {} is not above zero", "low")),
        (pl.col("volume") < 0, pl.format("volume {} is negative", "volume")),
        (
            low > pl.min_horizontal("open", "close"),
            pl.format("low {} is above open {} or close {}", "low", "open", "close"),
        ),
        (
            high < pl.max_horizontal("open", "close"),
            pl.format("high {} is below open {} or close {}", "high", "open", "close"),
        ),
    ]
    return pl.coalesce(pl.when(wrong).then(told) for wrong, told in absurd)
