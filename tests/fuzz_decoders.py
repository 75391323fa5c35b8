"""A coverage-guided fuzzer over every decoder: python tests/fuzz_decoders.py CORPUS -runs=100000

Whatever arrives, a decoder gives bars or raises FrameError. The first byte chooses the feed, the second what is read.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

with atheris.instrument_imports(include=["daemon.feeds"]):
    from daemon.feeds import FEEDS, feed
    from daemon.feeds.redis import Redis

from core.bars import Bar, Interval
from core.errors import FrameError

NAMES = (*FEEDS, "redis")
HOUR = Interval.parse("1h")
ASKED = {name: feed(name, "ws://127.0.0.1:1") for name in FEEDS}
for _feed in ASKED.values():
    _feed.sockets(["BTCUSDT"], HOUR)
STREAM = Redis("redis://127.0.0.1/0")


def read(name: str, what: int, told: bytes) -> object:
    """What one decoder makes of it."""
    if name == "redis":
        parts = told.split(b"\n")
        return [STREAM.decode(dict(zip(parts[::2], parts[1::2], strict=False)))]
    if what == 0:
        return list(ASKED[name].decode(told))
    if what == 1:
        return ASKED[name].decode_history("BTCUSDT", HOUR, told, 1 << 50)
    return [Bar("clock", ASKED[name].decode_clock(told), 1, 1, 1, 1, 1)]


def one(data: bytes) -> None:
    """One input of the fuzzer."""
    if len(data) < 2:
        return
    try:
        bars = read(NAMES[data[0] % len(NAMES)], data[1] % 3, data[2:])
    except FrameError:
        return
    assert isinstance(bars, list)
    assert all(isinstance(bar, Bar) and isinstance(bar.symbol, str) for bar in bars)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
