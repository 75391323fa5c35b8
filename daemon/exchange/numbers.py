"""Numbers as venues write them."""

from collections.abc import Mapping
from decimal import Decimal


def text(number: float, digits: int | None) -> str:
    """A number without an exponent, to the last bit where `digits` is None."""
    return f"{Decimal(repr(number)):f}" if digits is None else f"{number:.{digits}f}"


def short(number: float) -> str:
    """A number without an exponent and without trailing zeros, to the last bit."""
    told = text(number, None)
    return told.rstrip("0").rstrip(".") if "." in told else told


def whole(query: Mapping[str, str], name: str) -> int | None:
    """A whole number in a query; None where it is missing or none."""
    told = query.get(name, "")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 20 else None  # noqa: PLR2004 - fits an int64
