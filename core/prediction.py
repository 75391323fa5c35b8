"""What subscribers receive: one JSON message per prediction, in two parts.

`prediction` is a pure function of the model and the bars: the same bytes whatever crashed, reconnected or came twice.
`context` is about this one delivery: clocks, provenance, drift, trust. Read it, never compare it.

A later version only adds fields, each with a value that stands where it is absent, so a consumer of an older one reads
it unchanged. `gaze schema message` prints the JSON Schema of this one.
"""

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

import msgspec

from core.bands import Band

SCHEMA: Final = 2


# gc=False: plain data holds no cycle, and who reads a burst makes a hundred thousand of these.
class Step(msgspec.Struct, frozen=True, gc=False):
    """One step of the window the model looked at: how many bars ago it was, and its weight."""

    bars_ago: int
    weight: float
    opened_at_ms: int | None = None
    """When that bar opened; None in messages of schema 1."""


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
    gates: dict[str, tuple[float, ...]] = {}
    """How open each gate is, from 0 to 1, on average over steps and layers: of models that have gates."""
    newest: bytes = b""
    """The newest row of every input that the model was given: little-endian float32, in the manifest's order."""
    bands: dict[str, tuple[Band, ...]] = {}
    """Of outputs that have them, between what the outcome is to lie, narrowest first: core/bands.py."""
    high: float | None = None
    """The highest price of the bar; None in messages that do not tell it yet."""


class Reason(StrEnum):
    """Why a prediction should not be trusted as others are."""

    OUTSIDE = "outside_training_range"  # a feature is beyond all that the model was trained on
    DRIFTED = "drifted"  # attention, inputs or predictions have left their reference
    THIN = "thin_window"  # an expanding window that is not full yet
    LATE = "late"  # the bar came by backfill
    FILLED = "filled_bars"  # bars of the window never came and were made up
    UNCALIBRATED = "uncalibrated"  # the bundle has nothing that this could be judged by


class Doubt(msgspec.Struct, frozen=True, gc=False):
    """One reason, and what it is about: the features, the drifted statistics, how many bars."""

    reason: Reason
    about: str


class Context(msgspec.Struct, frozen=True, gc=False):
    """How this prediction came about."""

    venue: str
    origin: str
    late: bool
    received_at_ms: int
    published_at_ms: int
    lateness_ms: int | None = None
    """How long after its end the bar was here, by the daemon's clock; None in messages from before it was told."""
    filled: int = 0
    """Bars of the window that never came and were made up: the last close held, no volume. 0 in an unbroken window."""
    drift: dict[str, float] = {}
    """Jensen-Shannon distance of each attention's running profile from its reference."""
    drifting: tuple[str, ...] = ()
    """The statistics that are past their calibrated thresholds, the furthest first, then features missing or stuck."""
    bands: dict[str, tuple[Band, ...]] = {}
    """As the prediction's, with margins kept up to date by the outcomes since."""
    young: tuple[str, ...] = ()
    """Outputs whose `bands` have seen fewer than 100 closes with outcomes here: about as wide as exported, no more."""
    engine: str = ""
    """What ran the model, and where: "onnxruntime on cpu"."""
    trusted: bool | None = None
    """Whether there is no doubt; None in messages of schema 1."""
    doubts: tuple[Doubt, ...] = ()


class Message(msgspec.Struct, frozen=True, gc=False):
    """The message on the channel and in the stream."""

    prediction: Prediction
    context: Context
    schema: int = SCHEMA


def prediction_id(digest: str, symbol: str, interval: str, opened_at_ms: int, revision: int) -> str:
    """The same for the same model, bar and revision, wherever and whenever it is made: 32 hex digits."""
    [made] = prediction_digests(digest, interval, [symbol], [opened_at_ms], [revision])
    return made.hex()


def prediction_digests(
    digest: str, interval: str, symbols: Iterable[str], opened_at_ms: Iterable[int], revisions: Iterable[int]
) -> list[bytes]:
    """The ids of many, 16 bytes each."""
    begun = hashlib.blake2b(f"{digest}|".encode(), digest_size=16)
    made = []
    for symbol, opened, revision in zip(symbols, opened_at_ms, revisions, strict=True):
        # A copy takes half as long as one that is begun anew.
        one = begun.copy()
        one.update(f"{symbol}|{interval}|{opened}|{revision}".encode())
        made.append(one.digest())
    return made


def schema() -> dict[str, Any]:
    """The JSON Schema of a message, made from the types above."""
    made = msgspec.json.schema(Message)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"Gaze message {SCHEMA}", **made}


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Message)


def encode(message: Message) -> bytes:
    """A message as JSON."""
    return _encoder.encode(message)


def decode(raw: bytes | str) -> Message:
    """A message from JSON; fields of later versions are passed over.

    Raises: UNREADABLE: not a message.
    """
    return _decoder.decode(raw)
