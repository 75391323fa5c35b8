"""What the feeds share: reading what nobody vouches for, and asking in a venue's own measure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from core.bars import Interval
from core.errors import UNREADABLE, ConfigError, FrameError

Read = TypeVar("Read")

EXCERPT: Final = 120
"""So much of a venue's own words is told in an error."""


def read(venue: str, decode: Callable[[str | bytes], Read], told: str | bytes) -> Read:
    """What the venue told. Raises: FrameError: it is not in its dialect."""
    try:
        return decode(told)
    except UNREADABLE as error:
        raise FrameError(f"{venue}: {error}, in {excerpt(told)}") from error


def excerpt(told: str | bytes) -> str:
    """The beginning of a frame or a body, fit for a log."""
    text = told[:EXCERPT].decode(errors="replace") if isinstance(told, bytes) else told[:EXCERPT]
    return ascii(text)


def word_for(venue: str, words: Mapping[int, str], interval: Interval) -> str:
    """The venue's word for an interval, from its length in milliseconds.

    Raises: ConfigError: the venue has no bars of this interval.
    """
    if interval.ms not in words:
        known = ", ".join(words.values())
        raise ConfigError(
            f"{venue} has no bars of {interval.name}; it has, in its own words: {known}. try: one of them"
        )
    return words[interval.ms]


def parts(items: Sequence[str], most: int) -> Iterator[tuple[str, ...]]:
    """Cut into parts of at most so many."""
    return (tuple(items[start : start + most]) for start in range(0, len(items), most))
