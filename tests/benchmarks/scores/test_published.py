"""What was published of data that is here comes out again."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.scores import published


def test_repeating_the_last_exchange_rate_has_the_published_errors(shared_data: Path):
    found = published.exchange_rate(shared_data / "published", shared_data / "bars")
    dropping = found["dropping the last batch of 32"]
    assert np.round(dropping["mse"], 3).tolist() == [0.081, 0.167, 0.305, 0.823]
    assert np.round(dropping["mae"], 3).tolist() == [0.196, 0.289, 0.396, 0.681]
    assert found["every window"]["mse"][3] == pytest.approx(0.8101, abs=1e-4)


def test_the_labels_of_acl18_obey_their_rule_and_have_their_majority(shared_data: Path):
    found = published.acl18(shared_data / "published", shared_data / "bars")
    assert found["obeyed"] == found["labels"] == 55_966
    assert found["test"]["samples"] == 3_720
    assert found["majority_of_training"] == pytest.approx(0.513, abs=5e-4)
