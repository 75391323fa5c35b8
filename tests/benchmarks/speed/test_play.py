"""The pace at which a venue of made-up bars is played."""

import pytest

from benchmarks.speed.play import venue_speed
from daemon.feeds.binance import SPOT

MINUTE_S = 60


@pytest.mark.parametrize("symbols", [1, 1_000, 10_000, 30_000, 100_000])
def test_the_next_close_comes_before_a_quiet_socket_is_taken_for_lost(symbols: int):
    assert MINUTE_S / venue_speed(symbols) <= 0.7 * SPOT.silence_s
