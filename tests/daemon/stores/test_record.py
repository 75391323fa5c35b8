"""What is read of the stream of predictions."""

from core.prediction import Context, Message, Prediction, encode
from daemon.stores.record import said

ONE = Prediction("id", "demo", "1", "abc", "BTCUSDT", "1h", 0, 3_600_000, 0, 105.0, {"return_1": 0.5}, {})


def test_what_is_no_message_and_what_other_bundles_said_is_passed_over():
    message = encode(Message(ONE, Context("binance", "live", late=False, received_at_ms=1, published_at_ms=2)))
    strange = [b"", b"{}", b"\xff", message.replace(b"demo", b"dem\xef"), b'{"prediction":' * 100_000]
    assert said([*strange, message, message.replace(b"abc", b"xyz")], "abc") == [ONE]
