"""Sets of features: what they hold, and what they refuse."""

import numpy as np
import pytest
from books import Book

from core.errors import ConfigError
from core.features import FAMILIES, FEATURES, SETS, FeatureSet
from core.features.kernel import Kernel


def test_sets_have_the_sizes_of_their_models_and_stay_within_their_caps():
    sizes = {name: len(members) for name, members in SETS.items()}
    caps = {name: FeatureSet.named(name).lookback for name in SETS}
    assert sizes == {
        "btc_3": 3, "btc_rich": 28, "winner_20": 20, "weekly_62": 62, "stock_41": 41, "market_11": 11, "token_ms": 33,
    }  # fmt: skip
    assert caps["token_ms"] <= 60
    assert caps["weekly_62"] <= 53
    assert max(caps.values()) <= 256
    assert all(len(set(members)) == len(members) for members in SETS.values())
    assert FEATURES.keys() == {name for members in SETS.values() for name in members}


def test_no_two_features_share_a_name():
    assert len(FEATURES) == sum(len(table) for table in FAMILIES)


def test_a_set_with_calendar_features_asks_for_opening_times(generated: Book):
    features = FeatureSet.named("btc_rich")
    assert features.timed
    assert not FeatureSet.named("stock_41").timed
    with pytest.raises(ValueError, match=r"opening time of each bar, shape \(14, 300\), got none; try: rows"):
        features.rows(generated.bars_NT5, 1)
    with pytest.raises(ValueError, match=r"got shape \(14, 10\)"):
        features.rows(generated.bars_NT5, 1, generated.opened_at_ms_NT[:, :10])


def test_too_few_bars_are_refused_and_a_short_history_is_empty(generated: Book):
    features = FeatureSet.named("btc_3")
    with pytest.raises(ValueError, match="3 feature rows need 27 bars, got 26"):
        features.rows(generated.bars_NT5[:, :26], 3)
    assert np.isnan(features.history(generated.bars_NT5[0, :24])).all()


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"no feature is called 'rsi'; try: .*rsi_14"):
        FeatureSet(["rsi"])
    with pytest.raises(ConfigError, match="no feature set is called 'btc'; try: btc_3"):
        FeatureSet.named("btc")


def test_the_digest_follows_names_and_order():
    digest = FeatureSet.named("btc_3").digest
    assert digest == FeatureSet(SETS["btc_3"]).digest
    assert digest != FeatureSet(SETS["btc_3"][::-1]).digest


def test_features_refuse_to_run_on_intels_vector_library(monkeypatch: pytest.MonkeyPatch):
    """Its logarithm in a loop has other last bits than one alone: the same bar would have two values."""
    monkeypatch.setattr("numba.config.USING_SVML", True)
    with pytest.raises(ConfigError, match="export NUMBA_DISABLE_INTEL_SVML=1"):
        Kernel([], [])
