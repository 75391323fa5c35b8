"""The coverage-guided fuzzer, from real frames and answers, for a bounded number of runs."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.barfile import BarFile
from daemon.exchange.dialects import dialect
from daemon.exchange.market import Market
from daemon.feeds import FEEDS, feed

FUZZER = Path(__file__).resolve().parents[2] / "fuzz_decoders.py"
RUNS = 100_000


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_input_that_the_fuzzer_finds_is_anything_but_bars_or_a_frame_error(
    span: Callable[[str], BarFile], tmp_path: Path
):
    pytest.importorskip("atheris", reason="atheris has no wheel for this platform")
    for number, name in enumerate(FEEDS):
        market = Market(span(name))
        side = dialect(name, market)
        update = market.period(market.first_ms + market.interval.ms)[0]
        (tmp_path / f"{name}-frame").write_bytes(bytes([number, 0]) + side.tell(update))
        clock = feed(name, "ws://127.0.0.1:1", "http://127.0.0.1:1").clock_request()
        assert clock is not None
        path = "/" + clock.url.partition("://")[2].partition("/")[2]
        answer = side.answer(path, {}, market.last_ms, clock.body or b"")
        (tmp_path / f"{name}-clock").write_bytes(bytes([number, 2]) + answer.body)
    fields = "symbol A interval 1h opened_at_ms 1700000000000 open 1 high 2 low 1 close 2 volume 3".replace(" ", "\n")
    (tmp_path / "redis").write_bytes(bytes([len(FEEDS), 0]) + fields.encode())
    command = [sys.executable, str(FUZZER), str(tmp_path), f"-runs={RUNS}", "-seed=1", "-max_len=4096"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr[-3_000:]
    assert f"Done {RUNS} runs" in done.stderr
