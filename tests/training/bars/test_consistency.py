import math

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from core import bars
from core.bars import COLUMNS, Bar
from training.bars.consistency import inconsistency

numbers = st.one_of(st.sampled_from([0.0, -1.0, 1.0, 2.0, math.nan, math.inf, -math.inf]), st.floats(-1, 10))


@given(st.lists(st.tuples(numbers, numbers, numbers, numbers, numbers), min_size=1, max_size=20))
def test_a_table_is_judged_as_each_of_its_bars_is(rows: list[tuple[float, ...]]):
    table = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.Float64), orient="row")
    judged = table.select(inconsistency()).to_series().is_not_null().to_list()
    assert judged == [bars.inconsistency(Bar("BTCUSDT", 0, *row)) is not None for row in rows]


def test_a_missing_number_is_inconsistent():
    table = pl.DataFrame([(1.0, 2.0, 1.0, None, 1.0)], schema=dict.fromkeys(COLUMNS, pl.Float64), orient="row")
    assert table.select(inconsistency()).item() == "close is missing"
