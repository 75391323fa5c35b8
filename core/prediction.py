"""What subscribers receive: one JSON message per prediction, in two parts.

`prediction` is a pure function of the model and the bars: the same bytes whatever crashed, reconnected or came twice.
`context` is about this one delivery: clocks, provenance, drift. Read it, never compare it.
"""

import hashlib
from typing import Final

import msgspec

SCHEMA: Final = 1


# gc=False: plain data holds no cycle, and a burst makes a hundred thousand of these.
class Step(msgspec.Struct, frozen=True, gc=False):
    """One step of the window the model looked at: how many bars ago it was, and its weight."""

    bars_ago: int
    weight: float


class Gaze(msgspec.Struct, frozen=True, gc=False):
    """Where the model looked: one attention output of one prediction."""

    entropy: float
    """Normalised Shannon entropy: 1 looks evenly, 0 at one step."""
    concentration: float
    """Normalised Herfindahl index: 0 looks evenly, 1 at one step."""
    shares: tuple[float, float, float]
    """Weight on the historical half, the mid quarter and the recent quarter of the window."""
    top: tuple[Step, ...]
    """The steps with the most weight, heaviest first."""
    weights: bytes
    """All weights, little-endian float32, C order, in the shape below; JSON carries them as base64."""
    shape: tuple[int, ...]


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """What the model said about one bar."""

    id: str
    model: str
    version: str
    digest: str
    symbol: str
    interval: str
    opened_at_ms: int
    closed_at_ms: int
    revision: int
    close: float
    outputs: dict[str, float | tuple[float, ...]]
    gaze: dict[str, Gaze]


class Context(msgspec.Struct, frozen=True, gc=False):
    """How this prediction came about."""

    venue: str
    origin: str
    late: bool
    received_at_ms: int
    published_at_ms: int
    filled: int = 0
    """Bars of the window that never came and were made up: the last close held, no volume. 0 in an unbroken window."""
    drift: dict[str, float] = {}
    """Jensen-Shannon distance of each attention's running profile from its reference."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """The message on the channel and in the stream."""

    prediction: Prediction
    context: Context
    schema: int = SCHEMA


def prediction_id(digest: str, symbol: str, interval: str, opened_at_ms: int, revision: int) -> str:
    """The same for the same model, bar and revision, wherever and whenever it is made: 32 hex digits."""
    told = f"{digest}|{symbol}|{interval}|{opened_at_ms}|{revision}"
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Message)


def encode(message: Message) -> bytes:
    """A message as JSON."""
    return _encoder.encode(message)


def decode(raw: bytes | str) -> Message:
    """A message from JSON; fields of later versions are passed over.

    Raises: msgspec.ValidationError: not a message.
    """
    return _decoder.decode(raw)
