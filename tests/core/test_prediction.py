import base64
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from core import prediction
from core.prediction import Context, Gaze, Message, Prediction, Step, decode, encode, prediction_id

PAGES = Path(__file__).resolve().parents[2] / "docs" / "reference"

GAZE = Gaze(0.9, 0.1, (0.5, 0.25, 0.25), (Step(3, 0.25),), struct.pack("<2f", 0.75, 0.25), (2,))
PREDICTION = Prediction(
    "id", "demo", "1", "abc", "BTCUSDT", "1h", 0, 3_600_000, 0, 105.0, {"return_1": 0.5}, {"attention": GAZE}
)
MESSAGE = Message(PREDICTION, Context("binance", "live", late=False, received_at_ms=1, published_at_ms=2))


def test_a_message_comes_back_as_it_went():
    assert decode(encode(MESSAGE)) == MESSAGE


def test_a_consumer_with_nothing_but_json_can_read_all_of_it():
    said = json.loads(encode(MESSAGE))
    assert said["schema"] == 2
    assert said["prediction"]["outputs"] == {"return_1": 0.5}
    weights = struct.unpack("<2f", base64.b64decode(said["prediction"]["gaze"]["attention"]["weights"]))
    assert weights == (0.75, 0.25)


def test_fields_of_a_later_version_are_passed_over():
    said = json.loads(encode(MESSAGE)) | {"mood": "calm"}
    assert decode(json.dumps(said)) == MESSAGE


def test_an_id_names_model_symbol_interval_bar_and_revision():
    told = ("digest", "BTCUSDT", "1h", 0, 0)
    others = [("other", *told[1:]), ("digest", "ETHUSDT", "1h", 0, 0), (*told[:2], "4h", 0, 0), (*told[:4], 1)]
    assert prediction_id(*told) == prediction_id(*told)
    assert len({prediction_id(*other) for other in (told, *others)}) == 5


def fits_its_readers(older: Any, newer: Any, older_all: Any, newer_all: Any, at: str = "") -> None:
    """Whether one who reads by the older schema understands what is written by the newer one."""
    older, newer = (
        whole["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        for whole, part in ((older_all, older), (newer_all, newer))
    )
    for name, part in older.get("properties", {}).items():
        assert name in newer["properties"], f"{at}.{name} is gone"
        fits_its_readers(part, newer["properties"][name], older_all, newer_all, f"{at}.{name}")
    assert set(newer.get("required", ())) <= set(older.get("required", ())), f"{at}: a message before it lacks these"
    assert newer.get("type") == older.get("type"), at
    for key in ("items", "additionalProperties"):
        if isinstance(older.get(key), dict):
            fits_its_readers(older[key], newer[key], older_all, newer_all, f"{at}.{key}")


def test_the_page_of_the_schema_is_the_one_that_the_types_give():
    assert json.loads((PAGES / "message.schema.json").read_text()) == json.loads(json.dumps(prediction.schema()))


def test_a_reader_of_the_version_before_understands_this_one_and_this_one_reads_its_messages():
    before = json.loads((PAGES / f"message-{prediction.SCHEMA - 1}.schema.json").read_text())
    fits_its_readers(before, prediction.schema(), before, prediction.schema())
    said = json.loads(encode(MESSAGE)) | {"schema": 1}
    for part, added in (
        ("prediction", ["newest"]),
        ("context", ["drifting", "engine", "trusted", "doubts", "lateness_ms"]),
    ):
        for name in added:
            del said[part][name]
    assert decode(json.dumps(said)).context.trusted is None


def test_a_field_that_goes_away_or_is_asked_of_all_is_found():
    before = json.loads((PAGES / "message-1.schema.json").read_text())
    for change in (lambda made: made["properties"].pop("venue"), lambda made: made["required"].append("engine")):
        now = prediction.schema()
        change(now["$defs"]["Context"])
        with pytest.raises(AssertionError):
            fits_its_readers(before, now, before, now)
