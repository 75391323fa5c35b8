"""Many messages made as one have the bytes that each would have if it were encoded by itself."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.prediction import Context, Doubt, Gaze, Message, Prediction, Reason, Step, encode
from daemon.predicting.words import Form, Names, raw

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
WHOLE = st.integers(-(2**53), 2**53)
DOUBTS = [(), (Doubt(Reason.LATE, 'a "late" \0 bar'),), (Doubt(Reason.THIN, "ü"), Doubt(Reason.LATE, ","))]
STEPS = [7, 0, -12, 1_700_000_000_000]

ROW = st.tuples(
    st.binary(min_size=16, max_size=16), st.text(), NUMBERS, NUMBERS, WHOLE, st.sampled_from(DOUBTS), st.booleans(),
    st.integers(0, len(STEPS) - 1),
)  # fmt: skip
Row = tuple[bytes, str, float, float, int, tuple[Doubt, ...], bool, int]


def message(row: Row, newest: bytes) -> Message:
    """The message of one row."""
    digest, symbol, close, said, opened_at_ms, doubts, late, step = row
    gaze = Gaze(said, said, (said, said, said), (Step(STEPS[step], said, STEPS[step]),), newest, (1,))
    return Message(
        Prediction(
            digest.hex(), "50% \0 'of' \"it\"", "1", "d", symbol, "1h", opened_at_ms, 1, 0, close,
            {"return_1": said, "b\0": (said, close)}, {"look": gaze}, {}, newest,
        ),
        Context("v", "live", late, opened_at_ms, 2, doubts=doubts, trusted=not doubts),
    )  # fmt: skip


def together(rows: list[Row], newest: list[bytes], names: Names) -> list[bytes]:
    """The words of all rows, from columns."""
    form = Form(len(rows))
    digests, symbols, close, said, opened_at_ms, doubts, late, step = (
        list(column) for column in zip(*rows, strict=True)
    )
    (number,) = form.some_of(STEPS, np.array([step]))
    sent = np.frombuffer(b"".join(newest), np.uint8).reshape(len(rows), -1)
    shares = form.numbers(said), form.numbers(said), form.numbers(said)
    gaze = Gaze(
        form.numbers(said), form.numbers(said), shares, (Step(number, form.numbers(said), number),),
        form.base64(sent), (1,),
    )  # fmt: skip
    return form.words(
        Message(
            Prediction(
                form.hex(digests), "50% \0 'of' \"it\"", "1", "d", form.names(symbols, names), "1h",
                form.numbers(opened_at_ms), 1, 0, form.numbers(close),
                {"return_1": form.numbers(said), "b\0": (form.numbers(said), form.numbers(close))},
                {"look": gaze}, {}, form.base64(sent),
            ),
            Context(
                "v", "live", form.each(late), form.numbers(opened_at_ms), 2, doubts=form.each(doubts),
                trusted=form.each([not one for one in doubts]),
            ),
        )
    )  # fmt: skip


@given(st.lists(ROW, min_size=1, max_size=6), st.integers(1, 9), st.randoms())
def test_they_are_written_as_one_by_one(rows: list[Row], size: int, chance: random.Random):
    newest = [chance.randbytes(size) for _ in rows]
    assert together(rows, newest, Names()) == [encode(message(*row)) for row in zip(rows, newest, strict=True)]


@pytest.mark.parametrize(
    "close", [[0.0, -0.0], [-0.0, 0.0], [1e16, 1e17], [1e-4, 1e-5], [5e-324, 1.7976931348623157e308]]
)
def test_numbers_that_are_equal_or_at_an_edge_keep_their_own_words(close: list[float]):
    rows: list[Row] = [(bytes(16), "A", one, -one, 0, (), False, 0) for one in close]
    assert together(rows, [b"a", b"b"], Names()) == [
        encode(message(row, one)) for row, one in zip(rows, (b"a", b"b"), strict=True)
    ]


def test_a_name_is_encoded_once():
    names = Names()
    form = Form(2)
    form.names(["A", '"'], names)
    assert names == {"A": b'"A"', '"': b'"\\""'}
    assert names["A"] is names["A"]


def test_the_bytes_of_a_row_are_little_endian_floats_in_its_own_order():
    rows = np.arange(12, dtype=">f4").reshape(2, 2, 3)
    assert raw(rows).tobytes() == rows.astype("<f4").tobytes()
    assert raw(rows.transpose(0, 2, 1)).tobytes() == rows.transpose(0, 2, 1).astype("<f4").tobytes()
