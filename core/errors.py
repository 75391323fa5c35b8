"""What can go wrong, what it costs, and what the command line exits with.

| error          | who raises it              | what the daemon does                    | exit |
|----------------|----------------------------|-----------------------------------------|------|
| UsageError     | command line               | (before it starts)                      | 64   |
| DataError      | bars and files             | (training and tools only)               | 65   |
| DiskError      | whatever writes a file     | (training and tools only)               | 74   |
| ConfigError    | config, recipe             | does not start                          | 78   |
| BundleError    | bundle, golden check       | does not start; at reload keeps the old | 78   |
| EngineError    | engines                    | does not start                          | 78   |
| ModelError     | a model as it runs         | goes back to the version before, or ends | 70   |
| FrameError     | feed.decode                | drops the frame, counts it              |      |
| FarewellError  | feed.decode                | opens the next socket first             |      |
| RefusalError   | feed.decode_history        | goes on without that history            |      |
| FeedError      | listener, history          | reconnects with backoff                 |      |
| StoreError     | store                      | not ready; tries again                  | 69   |
| FencedError    | store: another daemon leads | stops publishing; waits behind it or exits | 75   |

Anything else is a bug: the process ends, and its supervisor starts it clean.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What comes of reading JSON that nobody vouches for: also bytes that are no text, and brackets nested without end."""


class GazeError(Exception):
    """A problem a person can act on: the message says what was expected, what was found, and what to do."""

    exit_code = 1


class UsageError(GazeError):
    """The command was given arguments that do not fit together."""

    exit_code = 64


class DataError(GazeError):
    """Bars or a file of bars are not what they must be."""

    exit_code = 65


class DiskError(GazeError):
    """A disk refuses: it is full, may not be written, or something else is in the way."""

    exit_code = 74


class StoreError(GazeError):
    """The store cannot be reached or refuses to write."""

    exit_code = 69


class FencedError(GazeError):
    """Another daemon holds the lease: this one must not write."""

    exit_code = 75


class ConfigError(GazeError):
    """A configuration or recipe is not valid; starting again will not help."""

    exit_code = 78


class BundleError(ConfigError):
    """A bundle is damaged, of another schema, or does not reproduce its own golden outputs."""


class EngineError(ConfigError):
    """The engine that was asked for cannot run here."""


class ModelError(GazeError):
    """A model that was proven failed as it ran."""

    exit_code = 70


class FeedError(GazeError):
    """The venue cannot be reached, or answered with a refusal."""

    exit_code = 69


class FrameError(GazeError):
    """A frame is not in this venue's dialect, or its bar is absurd."""


class FarewellError(FrameError):
    """The venue announces that it will close this socket."""


class RefusalError(FrameError):
    """The venue will not answer this request, however often it is asked."""


def leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """All problems in a group of groups, as tasks leave them."""
    for error in group.exceptions:
        yield from leaves(error) if isinstance(error, BaseExceptionGroup) else (error,)


def first(group: BaseExceptionGroup[GazeError]) -> GazeError:
    """The first problem in a group of groups, as tasks leave them."""
    inner = group.exceptions[0]
    return first(inner) if isinstance(inner, BaseExceptionGroup) else inner
