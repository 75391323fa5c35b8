import base64
import json
import struct

from core.prediction import Context, Gaze, Message, Prediction, Step, decode, encode, prediction_id

GAZE = Gaze(0.9, 0.1, (0.5, 0.25, 0.25), (Step(3, 0.25),), struct.pack("<2f", 0.75, 0.25), (2,))
PREDICTION = Prediction(
    "id", "demo", "1", "abc", "BTCUSDT", "1h", 0, 3_600_000, 0, 105.0, {"return_1": 0.5}, {"attention": GAZE}
)
MESSAGE = Message(PREDICTION, Context("binance", "live", late=False, received_at_ms=1, published_at_ms=2))


def test_a_message_comes_back_as_it_went():
    assert decode(encode(MESSAGE)) == MESSAGE


def test_a_consumer_with_nothing_but_json_can_read_all_of_it():
    said = json.loads(encode(MESSAGE))
    assert said["schema"] == 1
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
