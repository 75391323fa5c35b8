from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from daemon.fetching.spans import merged, missing

_edges = st.integers(0, 30)
_spans = st.lists(st.tuples(_edges, _edges), max_size=6)


def inside(spans: list[tuple[int, int]]) -> set[int]:
    return {at for begun, ended in spans for at in range(begun, ended)}


@given(_spans)
def test_merged_spans_tell_the_same_time_and_never_touch(spans: list[tuple[int, int]]):
    whole = merged(spans)
    assert inside(whole) == inside(spans)
    assert all(before[1] < after[0] for before, after in pairwise(whole))


@given(st.tuples(_edges, _edges), _spans)
def test_what_is_missing_and_what_was_had_are_the_whole_and_never_overlap(
    wanted: tuple[int, int], had: list[tuple[int, int]]
):
    gaps = missing(wanted, had)
    assert inside(gaps) == inside([wanted]) - inside(had)
