"""Frames as they were captured, for the conformance tests of every feed."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

Records = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def recorded(shared_data: Path) -> Records:
    """The lines of a file in data/frames, by the beginning of its name."""

    def lines(name: str) -> Iterator[bytes]:
        for path in sorted((shared_data / "frames").glob(f"{name}*")):
            raw = path.read_bytes()
            yield from (gzip.decompress(raw) if path.suffix == ".gz" else raw).splitlines()

    return lambda name: [msgspec.json.decode(line) for line in lines(name)]
