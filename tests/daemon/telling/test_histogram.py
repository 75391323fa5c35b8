import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from daemon.telling.histogram import BatchHistogram

BOUNDS = (0.0, 0.5, 1.0)
numbers = st.lists(st.floats(-10, 10) | st.sampled_from(BOUNDS), max_size=50)


@given(st.lists(numbers, max_size=4))
def test_batches_are_counted_as_prometheus_counts_one_at_a_time(batches: list[list[float]]):
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    batched = BatchHistogram("h", "help", ["of"], BOUNDS)
    batched.start(["a"])
    ours.register(batched)
    usual = Histogram("h", "help", ["of"], buckets=BOUNDS, registry=theirs).labels("a")
    for batch in batches:
        batched.observe(batch, "a")
        for number in batch:
            usual.observe(number)
    for le in ("0.0", "0.5", "1.0", "+Inf"):
        labels = {"of": "a", "le": le}
        assert ours.get_sample_value("h_bucket", labels) == theirs.get_sample_value("h_bucket", labels)
    assert ours.get_sample_value("h_count", {"of": "a"}) == sum(map(len, batches))
    expected = theirs.get_sample_value("h_sum", {"of": "a"})
    assert ours.get_sample_value("h_sum", {"of": "a"}) == pytest.approx(expected, abs=1e-9)


def test_a_number_that_is_none_counts_above_the_last_bound_and_leaves_the_sum_alone():
    histogram = BatchHistogram("h", "help", (), BOUNDS)
    histogram.observe(np.array([[0.2, math.nan], [math.inf, 0.3]]))
    (family,) = histogram.collect()
    said = {(sample.name, sample.labels.get("le")): sample.value for sample in family.samples}
    assert said["h_bucket", "1.0"] == 2
    assert said["h_bucket", "+Inf"] == 4
    assert said["h_sum", None] == 0.5


def test_numbers_that_come_alone_are_counted_though_nobody_asks_for_them():
    histogram = BatchHistogram("h", "help", (), BOUNDS)
    for _ in range(5_000):
        histogram.observe([0.25])
    for _ in range(2):
        (family,) = histogram.collect()
        said = {(sample.name, sample.labels.get("le")): sample.value for sample in family.samples}
        assert (said["h_bucket", "0.0"], said["h_bucket", "0.5"], said["h_sum", None]) == (0, 5_000, 1_250)


def test_a_name_can_be_taken_only_once():
    registry = CollectorRegistry()
    registry.register(BatchHistogram("h", "help", (), BOUNDS))
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(BatchHistogram("h", "help", (), BOUNDS))
