"""Symbols as the venues spell them, which is how their bars name them."""

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from typing import Protocol

from core.errors import ConfigError


class Speller(Protocol):
    """Any feed."""

    def spelling(self, symbol: str) -> str:
        """A symbol as the venue writes it."""


def spelled(feed: Speller, symbols: Iterable[str]) -> tuple[str, ...]:
    """The symbols asked of one venue. Raises: ConfigError: two of them are one."""
    names = [feed.spelling(symbol) for symbol in symbols]
    if twice := _twice(names):
        raise ConfigError(f"symbols names {twice} twice, in two spellings; try: leave one out")
    return tuple(names)


def together(parts: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """The symbols of all venues. Raises: ConfigError: two venues have one of a name."""
    names = [name for part in parts for name in part]
    if twice := _twice(names):
        raise ConfigError(f"two venues have {twice}; try: a daemon of its own for one of them")
    return tuple(names)


def chosen(asked: Sequence[str], feeds: Sequence[Speller], symbols: Sequence[str]) -> tuple[str, ...]:
    """Those of the symbols that are asked for, in any venue's spelling. Raises: ConfigError: one that is none."""
    there = set(symbols)
    found = {one: next((name for feed in feeds if (name := feed.spelling(one)) in there), "") for one in asked}
    missing = [one for one, name in found.items() if not name]
    if missing:
        raise ConfigError(
            f"[metrics] symbols names {', '.join(missing)}, which no venue is asked for; "
            "try: leave it out, or add it to [feed] symbols"
        )
    return tuple(found.values())


def spelled_as(feeds: Sequence[Speller], symbols: Container[str], written: str) -> str:
    """The one of these symbols that somebody wrote in any spelling; what is none of them stays as it is written."""
    return next((name for feed in feeds if (name := feed.spelling(written)) in symbols), written)


def _twice(names: Iterable[str]) -> str:
    return ", ".join(sorted(name for name, count in Counter(names).items() if count > 1))
