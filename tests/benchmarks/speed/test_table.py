"""The pages tell what the benchmarks left, and what they say of it in words is so."""

import pytest

from benchmarks.speed import table
from benchmarks.speed.scale import cpu_us


@pytest.mark.parametrize("name", table.TABLES)
def test_a_page_has_the_table_of_what_was_kept(name: str):
    _, told, _ = table.parts(name)
    assert told == table.TABLES[name]()


def test_a_symbol_costs_what_it_costs_of_1_000_within_30_percent():
    took_us = {one["symbols"]: cpu_us(one) for one in table.read("scale")}
    for symbols in (10_000, 30_000):
        assert took_us[symbols] == pytest.approx(took_us[1_000], rel=0.3)


def test_a_competent_pipeline_takes_ten_times_as_long():
    last_ms = table.read("peers")["last_ms"]
    assert last_ms["competent"] >= 10 * last_ms["gaze, stream graph"]
