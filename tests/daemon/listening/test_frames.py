"""Frames cut out of bytes: whatever comes, and however it is cut up, what is told is what the library itself tells."""

import asyncio
import base64
import hashlib
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from daemon.listening.frames import FRAME_BYTES, Frames

GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
LAST, COMPRESSED = 0x80, 0x40
MASKED = 0x80
PATIENCE_S = 20


def a_frame(opcode: int, payload: bytes = b"", *, bits: int = LAST, masked: int = 0) -> bytes:
    """As a venue writes it."""
    size = len(payload)
    if size < 126:
        return bytes((bits | opcode, masked | size)) + payload
    if size < 65_536:
        return bytes((bits | opcode, masked | 126)) + size.to_bytes(2) + payload
    return bytes((bits | opcode, masked | 127)) + size.to_bytes(8) + payload


def squeezed(payload: bytes) -> bytes:
    """Compressed as permessage-deflate does it."""
    packer = zlib.compressobj(wbits=-15)
    return (packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


@asynccontextmanager
async def a_connection(
    kind: type[ClientConnection], *, behind: bytes = b"", extension: bytes = b""
) -> AsyncIterator[ClientConnection]:
    """Open, at a venue that says nothing but `behind`, in one breath with its answer, and hangs up when spoken to."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        (key,) = [line.partition(b": ")[2] for line in lines if line.lower().startswith(b"sec-websocket-key")]
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        accepted = base64.b64encode(hashlib.sha1(key + GUID).digest())
        writer.write(answer + extension + b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n" + behind)
        with suppress(ConnectionError):
            await reader.read(1)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        gone.set()

    gone = asyncio.Event()
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"ws://127.0.0.1:{port}/"
    async with server, asyncio.timeout(PATIENCE_S):
        async with connect(
            url, create_connection=kind, max_size=FRAME_BYTES, proxy=None, ping_interval=None
        ) as connection:
            yield connection
        await gone.wait()


async def told(connection: ClientConnection, chunks: Sequence[bytes]) -> tuple[list[bytes], str]:
    """What comes of these bytes, and how the connection ends when the venue goes behind them."""
    for chunk in chunks:
        connection.data_received(chunk)
    connection.transport.abort()
    came: list[bytes] = []
    try:
        while True:
            if isinstance(connection, Frames):
                came += await connection.frames(3)
            else:
                came.append(await connection.recv(decode=False))
    except ConnectionClosed as error:
        return came, str(error)


PAYLOADS: Final = st.binary(max_size=130) | st.sampled_from([b"", b"x" * 125, b"y" * 126, b"z" * 65_536])
MESSAGES: Final = st.builds(a_frame, st.sampled_from([TEXT, BINARY]), PAYLOADS)
IN_PARTS: Final = st.builds(
    lambda parts, between: b"".join(
        [a_frame(TEXT, bits=0), *(a_frame(CONT, part, bits=0) + between for part in parts), a_frame(CONT)]
    ),
    st.lists(st.binary(max_size=20), max_size=3),
    st.sampled_from([b"", a_frame(PING, b"?")]),
)
CONTROLS: Final = st.sampled_from([a_frame(PING), a_frame(PING, b"ping"), a_frame(PONG, b"!")])
WHOLE: Final = st.one_of(MESSAGES, MESSAGES, IN_PARTS, CONTROLS)
BROKEN: Final = st.sampled_from(
    [
        a_frame(CLOSE, (1001).to_bytes(2) + b"away"),
        a_frame(CLOSE),
        a_frame(TEXT, b"abc", masked=MASKED),
        a_frame(TEXT, b"a" * 200, masked=MASKED),
        a_frame(TEXT, b"abc", bits=LAST | COMPRESSED),
        a_frame(CONT, b"of nothing"),
        a_frame(TEXT, bits=0) + a_frame(TEXT, b"within another"),
        a_frame(3, b"of no kind"),
        a_frame(PING, b"p" * 126),
        a_frame(TEXT, b"too long")[:1] + b"\x7f" + (FRAME_BYTES + 1).to_bytes(8),
    ]
)
CUT_OFF: Final = st.sampled_from([b"", b"\x81", b"\x81\x7e\x01", a_frame(TEXT, b"cut off")[:4]])


def cut_up(words: bytes, places: Sequence[int]) -> list[bytes]:
    """The same bytes in chunks."""
    ends = sorted({place % (len(words) + 1) for place in places} | {0, len(words)})
    return [words[begin:end] for begin, end in pairwise(ends)]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(WHOLE, max_size=12),
    BROKEN | st.just(b""),
    st.lists(WHOLE, max_size=2),
    CUT_OFF,
    st.lists(st.integers(0, 2**20), max_size=8),
)
def test_what_is_told_is_what_the_library_tells(
    before: list[bytes], broken: bytes, behind: list[bytes], cut_off: bytes, places: list[int]
):
    chunks = cut_up(b"".join([*before, broken, *behind, cut_off]), places)

    async def both() -> list[tuple[list[bytes], str]]:
        found = []
        for kind in (Frames, ClientConnection):
            async with a_connection(kind) as connection:
                found.append(await told(connection, chunks))
        return found

    ours, theirs = asyncio.run(both())
    assert ours == theirs


async def test_byte_by_byte_it_is_the_same():
    words = b"".join(a_frame(TEXT, b"x" * size) for size in (0, 3, 125, 126, 300)) + a_frame(PING) + a_frame(TEXT, b"!")
    async with a_connection(Frames) as connection:
        came, _ = await told(connection, [words[at : at + 1] for at in range(len(words))])
    assert [len(frame) for frame in came] == [0, 3, 125, 126, 300, 1]


@pytest.mark.parametrize("extension", [b"", b"Sec-WebSocket-Extensions: permessage-deflate\r\n"])
async def test_what_comes_in_one_breath_with_the_opening_is_told(extension: bytes):
    squeeze: Callable[[bytes], bytes] = squeezed if extension else bytes
    bits = LAST | COMPRESSED if extension else LAST
    words = a_frame(TEXT, squeeze(b"early" * 40), bits=bits) + a_frame(TEXT, b"plain")
    async with a_connection(Frames, behind=words, extension=extension) as connection:
        came: list[bytes] = []
        while len(came) < 2:
            came += await connection.frames(8)
        assert came == [b"early" * 40, b"plain"]


async def test_all_that_has_come_is_had_at_once_up_to_a_limit_and_holds_the_venue_back_meanwhile():
    async with a_connection(Frames) as connection:
        connection.data_received(b"".join(a_frame(TEXT, b"%d" % number) for number in range(100)))
        assert not connection.transport.is_reading()
        assert await connection.frames(60) == [b"%d" % number for number in range(60)]
        assert not connection.transport.is_reading()
        assert await connection.frames(60) == [b"%d" % number for number in range(60, 100)]
        assert connection.transport.is_reading()


async def test_a_ping_amid_frames_is_answered_and_a_pong_noticed():
    async with a_connection(Frames) as connection:
        answered = await connection.ping(b"ours")
        connection.data_received(a_frame(TEXT, b"one") + a_frame(PONG, b"ours") + a_frame(TEXT, b"two"))
        assert await answered >= 0
        assert await connection.frames(8) == [b"one", b"two"]
