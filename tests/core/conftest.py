"""Builders for bars: a test shows only what matters to it."""

from collections.abc import Callable

import pytest

from core.bars import Bar


@pytest.fixture
def a_bar() -> Callable[..., Bar]:
    def build(**changes: object) -> Bar:
        usual = {
            "symbol": "BTCUSDT",
            "opened_at_ms": 3_600_000,
            "open": 100.0,
            "high": 110.0,
            "low": 90.0,
            "close": 105.0,
            "volume": 12.5,
        }
        return Bar(**(usual | changes))  # type: ignore[arg-type]

    return build
