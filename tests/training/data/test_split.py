from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import a_recipe, some_bars

from core.errors import ConfigError, DataError
from training.data.panel import panel
from training.data.split import split


@settings(max_examples=30)
@given(
    length=st.integers(2, 20),
    horizon=st.integers(1, 12),
    embargo=st.integers(0, 10),
    train=st.floats(0.4, 0.7),
    missing=st.sets(st.integers(0, 999), max_size=4),
)
def test_no_bar_is_read_or_looked_at_by_two_parts(
    length: int, horizon: int, embargo: int, train: float, missing: set[int]
):
    """Whatever the window, the horizon and the gaps: the spans of bars that the parts touch do not overlap."""
    recipe = a_recipe(
        f"window.length={length}",
        f"label.horizons=[1, {horizon + 1}]",
        f"split.embargo={embargo}",
        f"split.train={train}",
    )
    made = panel(some_bars(bars=1_500, missing=tuple(missing)), recipe)
    parts = split(made, recipe)
    for earlier, later in ((parts.train, parts.validation), (parts.validation, parts.test)):
        first_read = made.opened_at_ms_R[later.ends_N - made.bars_needed + 1].min()
        last_seen = made.opened_at_ms_R[earlier.ends_N + made.horizon].max()
        assert first_read > last_seen + embargo * made.interval.ms
        assert later.span[0] == first_read
        assert earlier.span[1] == last_seen


def test_the_parts_follow_in_time_and_have_about_their_shares():
    recipe = a_recipe()
    parts = split(panel(some_bars(symbols=1, bars=2_000), recipe), recipe)
    times = [part.opened_at_ms for part in (parts.train, parts.validation, parts.test)]
    assert times[0].max() < times[1].min() < times[1].max() < times[2].min()
    assert [round(len(part) / 2_000, 1) for part in (parts.train, parts.validation, parts.test)] == [0.7, 0.1, 0.1]


def test_a_stride_thins_training_and_validation_but_never_the_test():
    full, thin = a_recipe(), a_recipe("window.stride=4")
    made = panel(some_bars(bars=1_500), full)
    whole, thinned = split(made, full), split(made, thin)
    assert len(thinned.train) == pytest.approx(len(whole.train) / 4, abs=2)
    assert len(thinned.validation) == pytest.approx(len(whole.validation) / 4, abs=2)
    np.testing.assert_array_equal(thinned.test.ends_N, whole.test.ends_N)


def test_windows_are_in_order_of_time_then_symbol():
    recipe = a_recipe()
    test = split(panel(some_bars(), recipe), recipe).test
    order = np.lexsort((test.panel.symbol_R[test.ends_N], test.opened_at_ms))
    np.testing.assert_array_equal(order, np.arange(len(test)))


def test_a_part_with_too_few_windows_is_refused():
    recipe = a_recipe()
    with pytest.raises(DataError, match=r"the validation part has 0 windows of the 128 there are, it needs 32"):
        split(panel(some_bars(symbols=1, bars=160), recipe), recipe)


def test_a_purge_of_labels_leaves_out_no_more_than_their_horizon():
    """A label of one part ends before the next part's first window does, which may look back into it."""
    recipe = a_recipe("split.purge=labels", "label.horizons=[3]")
    made = panel(some_bars(symbols=1, bars=300), recipe)
    parts = split(made, recipe)
    for earlier, later in ((parts.train, parts.validation), (parts.validation, parts.test)):
        assert made.number_R[later.ends_N].min() - (made.number_R[earlier.ends_N].max() + 3) == 0
        assert later.span[0] < earlier.span[1]


@settings(max_examples=20)
@given(
    folds=st.integers(1, 4),
    training=st.sampled_from(["expanding", "rolling"]),
    purge=st.sampled_from(["bars", "labels"]),
    embargo=st.integers(0, 6),
)
def test_folds_walk_forward_and_share_nothing_with_the_final_span(folds: int, training: str, purge: str, embargo: int):
    """Within a fold parts follow each other past the gap; folds are judged on stretches that follow each other."""
    how = (f"split.folds={folds}", f"split.training={training}", f"split.purge={purge}", f"split.embargo={embargo}")
    made = panel(some_bars(symbols=1, bars=4_000), a_recipe())
    final_from = made.number_R[split(made, a_recipe(*how)).test.ends_N].min()
    before = 0
    for fold in range(1, folds + 1):
        parts = split(made, a_recipe(*how, f"split.fold={fold}"))
        numbers = [made.number_R[part.ends_N] for part in (parts.train, parts.validation, parts.test)]
        for earlier, later in pairwise(numbers):
            assert later.min() - earlier.max() >= parts.gap
        assert final_from - numbers[2].max() >= parts.gap
        assert numbers[2].min() > before
        before = numbers[2].max()


def test_rolling_folds_train_on_as_many_bars_as_the_first_and_expanding_ones_on_all_before():
    made = panel(some_bars(symbols=1, bars=4_000), a_recipe())
    first, last = (
        {
            kind: split(made, a_recipe("split.folds=3", f"split.fold={fold}", f"split.training={kind}")).train
            for kind in ("expanding", "rolling")
        }
        for fold in (1, 3)
    )
    np.testing.assert_array_equal(first["expanding"].ends_N, first["rolling"].ends_N)
    assert len(last["rolling"]) == pytest.approx(len(first["rolling"]), abs=3)
    assert last["expanding"].ends_N[0] == first["expanding"].ends_N[0]
    assert last["rolling"].ends_N[0] > first["rolling"].ends_N[-1]


def test_a_fold_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"split\.fold is 3, there are 2"):
        split(panel(some_bars(), a_recipe()), a_recipe("split.folds=2", "split.fold=3"))


def test_windows_are_counted_after_they_were_thinned():
    recipe = a_recipe("window.stride=8")
    with pytest.raises(DataError, match=r"the validation part has \d+ windows .* only every 8th kept"):
        split(panel(some_bars(symbols=1, bars=1_000), recipe), recipe)


def test_a_shuffled_split_lets_every_part_reach_over_the_same_time():
    recipe = a_recipe("split.shuffled=true")
    parts = split(panel(some_bars(), recipe), recipe)
    spans = [part.span for part in (parts.train, parts.validation, parts.test)]
    assert max(first for first, _ in spans) < min(last for _, last in spans)
    assert not set(parts.train.ends_N) & set(parts.test.ends_N)
