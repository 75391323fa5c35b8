"""The words of many messages, from columns: one message is encoded with holes in it, and each row's words fill them.

A message that is filled has the bytes that it would have if it were encoded by itself.
N messages, H holes, B bytes.
"""

import binascii
from collections.abc import Sequence
from itertools import accumulate, chain, pairwise
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from numba import njit

from core.prediction import Message

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

_encode: Final = msgspec.json.Encoder().encode
_HOLE: Final = b"\0"
"""Stands on both sides of a hole's number: in JSON no string has it as it is."""
_COMMA: Final = ord(",")


class Names(dict[str, bytes]):
    """Strings in JSON, each encoded once."""

    def __missing__(self, name: str) -> bytes:
        self[name] = words = _encode(name)
        return words


class Form:
    """So many messages in one: what its methods return stands in a message where their columns differ.

    That is a hole, or where every row has the same, as a single row has, just that.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._holes = 0
        self._texts: list[bytes | bytearray] = []
        self._length = 0
        # By hole: where in the texts, one behind the other, each row's words begin and end, (N,) each.
        self._spans: dict[int, tuple[Places, Places]] = {}
        # By hole: numbers of each row, to be encoded all at once.
        self._numbers: dict[int, list[Any]] = {}

    def numbers(self, values: list[float] | list[int]) -> Any:
        """A number each."""
        # Of floats no more than one: 0.0 and -0.0 are equal, and written otherwise.
        if self._rows == 1 or (isinstance(values[0], int) and self._all_as_first(values)):
            return values[0]
        self._numbers[self._holes] = values
        return self._hole()

    def some_of(self, numbers: list[int], which_KN: Places) -> list[Any]:
        """K times a number each, of a few that there are: `numbers` at these places."""
        if self._rows == 1:
            return [numbers[which] for which in which_KN[:, 0].tolist()]
        begins, ends = self._written(numbers)
        return [self._span(*span) for span in zip(begins[which_KN], ends[which_KN], strict=True)]

    def each(self, values: Sequence[Any]) -> Any:
        """Anything each, of which many are the same: flags, names, tuples of structs."""
        if self._all_as_first(values):
            return values[0]
        known: dict[int, bytes] = {}
        for one in values:
            if id(one) not in known:
                known[id(one)] = _encode(one)
        return self._texts_of([known[id(one)] for one in values])

    def names(self, values: Sequence[str], known: Names) -> Any:
        """A string each."""
        return values[0] if self._all_as_first(values) else self._texts_of(list(map(known.__getitem__, values)))

    def hex(self, digests: Sequence[bytes]) -> Any:
        """A digest each, all of one length, as a string of hex digits."""
        return digests[0].hex() if self._rows == 1 else self._of_one_width(b"".join(digests).hex().encode())

    def base64(self, rows_NB: Bytes) -> Any:
        """So many bytes each."""
        if self._rows == 1:
            return rows_NB.tobytes()
        lacking = -rows_NB.shape[1] % 3
        if not lacking:
            return self._of_one_width(binascii.b2a_base64(rows_NB.data, newline=False))
        # Each row is ended by zeros, and where those stand in the text is then marked as lacking.
        whole_NB = np.zeros((self._rows, rows_NB.shape[1] + lacking), np.uint8)
        whole_NB[:, :-lacking] = rows_NB
        text = bytearray(binascii.b2a_base64(whole_NB.data, newline=False))
        np.frombuffer(text, np.uint8).reshape(self._rows, -1)[:, -lacking:] = ord("=")
        return self._of_one_width(text)

    def words(self, message: Message) -> list[bytes]:
        """Each message as JSON."""
        pieces = _encode(message).split(_HOLE)
        if len(pieces) == 1:
            return pieces * self._rows
        if self._numbers:
            begins, ends = self._written(list(chain.from_iterable(self._numbers.values())))
            written = zip(begins.reshape(-1, self._rows), ends.reshape(-1, self._rows), strict=True)
            self._spans.update(zip(self._numbers, written, strict=True))
        spans = [self._spans[int(hole)] for hole in pieces[1::2]]
        begins_HN, ends_HN = (np.concatenate(edges).reshape(-1, self._rows) for edges in zip(*spans, strict=True))
        return _filled(pieces[::2], b"".join(self._texts), begins_HN, ends_HN)

    def _all_as_first(self, values: Sequence[Any]) -> bool:
        return values.count(values[0]) == self._rows

    def _hole(self, quote: bytes = b"") -> msgspec.Raw:
        self._holes += 1
        return msgspec.Raw(b"%b%b%d%b%b" % (quote, _HOLE, self._holes - 1, _HOLE, quote))

    def _span(self, begins_N: Places, ends_N: Places, quote: bytes = b"") -> msgspec.Raw:
        self._spans[self._holes] = begins_N, ends_N
        return self._hole(quote)

    def _put(self, text: bytes | bytearray) -> int:
        """Put it behind the other texts; returns where it begins."""
        self._texts.append(text)
        self._length += len(text)
        return self._length - len(text)

    def _of_one_width(self, text: bytes | bytearray) -> msgspec.Raw:
        """Strings, one behind the other."""
        edges = np.arange(self._rows + 1) * (len(text) // self._rows) + self._put(text)
        return self._span(edges[:-1], edges[1:], b'"')

    def _texts_of(self, texts: Sequence[bytes]) -> msgspec.Raw:
        begin = self._put(b"".join(texts))
        edges = np.fromiter(accumulate(map(len, texts), initial=begin), np.int64, len(texts) + 1)
        return self._span(edges[:-1], edges[1:])

    def _written(self, numbers: list[Any]) -> tuple[Places, Places]:
        """Where each of these numbers begins and ends."""
        text = _encode(numbers)
        begin = self._put(text)
        commas = np.flatnonzero(np.frombuffer(text, np.uint8) == _COMMA) + begin
        return np.concatenate([[begin + 1], commas + 1]), np.concatenate([commas, [begin + len(text) - 1]])


def _filled(pieces: Sequence[bytes], text: bytes, begins_HN: Places, ends_HN: Places) -> list[bytes]:
    """What lies between holes, and what fills them: row after row."""
    piece_ends = np.array(list(accumulate(map(len, pieces))))
    rows = begins_HN.shape[1]
    out = np.empty(rows * int(piece_ends[-1]) + int((ends_HN - begins_HN).sum()), np.uint8)
    edges = np.zeros(rows + 1, np.int64)
    of_pieces, of_text = (np.frombuffer(some, np.uint8) for some in (b"".join(pieces), text))
    _fill(of_pieces, piece_ends, of_text, begins_HN, ends_HN, out, edges)
    filled, edges_list = out.data, edges.tolist()
    return [bytes(filled[begin:end]) for begin, end in pairwise(edges_list)]


@njit(cache=True, error_model="numpy", nogil=True)
def _fill(pieces, piece_ends, text, begins_HN, ends_HN, out, edges):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    holes, rows = begins_HN.shape
    at = 0
    for row in range(rows):
        read = 0
        for hole in range(holes):
            at = _copy(pieces, read, piece_ends[hole], out, at)
            read = piece_ends[hole]
            at = _copy(text, begins_HN[hole, row], ends_HN[hole, row], out, at)
        at = _copy(pieces, read, piece_ends[holes], out, at)
        edges[row + 1] = at


@njit(cache=True, error_model="numpy", nogil=True)
def _copy(text, begin, end, out, at):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    # Of unsigned places the compiler knows that they do not count from the end: five times as fast.
    for byte in range(end - begin):
        out[np.uint64(at + byte)] = text[np.uint64(begin + byte)]
    return at + end - begin


def raw(values: npt.NDArray[np.float32]) -> Bytes:
    """(N, ...) -> (N, B): the bytes of each row, little-endian, in C order."""
    rows_NV = np.ascontiguousarray(values, "<f4").reshape(len(values), -1)
    return rows_NV.view(np.uint8)
