import tomllib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from training import tables

KEYS = st.text(min_size=1, max_size=8)
VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


class Inner(msgspec.Struct, frozen=True):
    size: int = 1


class Outer(msgspec.Struct, frozen=True):
    inner: Inner = Inner()


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_table_reads_back_from_its_lines(table: dict[str, object]):
    assert tomllib.loads("\n".join(tables.lines(table))) == table


def test_an_unknown_key_inside_is_named_with_its_nearest():
    with pytest.raises(ConfigError, match=r"here: inner\.sice is not a known key\. try: inner\.size"):
        tables.fit(Outer, {"inner": {"sice": 2}}, "here")


def test_a_dotted_key_is_set_where_it_belongs():
    table: dict[str, object] = {"inner": {"size": 2}}
    tables.change(table, "inner.size", 3)
    assert table == {"inner": {"size": 3}}
    with pytest.raises(ConfigError, match="size is not a section"):
        tables.change(table, "inner.size.more", 1)
