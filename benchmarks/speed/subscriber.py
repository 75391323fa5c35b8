"""Counts what arrives on a channel, and tells of each burst once it is whole.

    python -m benchmarks.speed.subscriber SOCKET CHANNEL SYMBOLS

For every opening time one line of JSON: Unix seconds at which the daemon had the first frame, and at which the first,
the median, the 99th percentile and the last message were here.
"""

import json
import re
import socket
import sys
import time
from collections import defaultdict

import hiredis

_READ_BYTES = 1 << 20
_OPENED = re.compile(rb'"opened_at_ms": ?(\d+)')
_RECEIVED = re.compile(rb'"received_at_ms": ?(\d+)')


def main(path: str, channel: str, symbols: int) -> None:
    here: dict[bytes, list[float]] = defaultdict(list)
    received: dict[bytes, list[int]] = defaultdict(list)
    reader = hiredis.Reader()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        server.sendall(hiredis.pack_command(("SUBSCRIBE", channel)))  # type: ignore[arg-type] # its stub is narrow
        while told := server.recv(_READ_BYTES):
            now = time.time()
            reader.feed(told)
            while message := reader.gets():
                kind, _, body = message
                if kind == b"subscribe":
                    print("{}", flush=True)
                    continue
                opened, came = _OPENED.search(body), _RECEIVED.search(body)
                assert opened, body
                assert came, body
                here[opened[1]].append(now)
                received[opened[1]].append(int(came[1]))
                if len(here[opened[1]]) == symbols:
                    tell(here.pop(opened[1]), received.pop(opened[1]))


def tell(here: list[float], received_ms: list[int]) -> None:
    last = len(here) - 1
    told = {
        "received": min(received_ms) / 1e3,
        "received_last": max(received_ms) / 1e3,
        "first": here[0],
        "median": here[last // 2],
        "p99": here[last * 99 // 100],
        "last": here[last],
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
