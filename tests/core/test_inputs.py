"""What a model reads is what training computed, and is refused where it would not be."""

import msgspec
import numpy as np
import pytest
from builders import HOUR, a_manifest

from core.bundle import Input, Window
from core.errors import BundleError
from core.features import FeatureSet
from core.inputs import Inputs


def an_input(features: str, window: int = 4) -> Input:
    known = FeatureSet.named(features)
    return Input(features, "symbol", known.names, known.digest, known.lookback, Window("rolling", window, window))


@pytest.mark.parametrize("features", ["btc_3", "btc_rich"])
def test_inputs_are_the_history_features_of_the_last_bars_whatever_lies_before_them(features: str):
    one = an_input(features)
    bars_NL5 = np.random.default_rng(3).uniform(90, 110, (5, one.bars_needed + 9, 5))
    opened_N = (400_000 + np.arange(5) * 7) * HOUR.ms
    inputs = Inputs([one], HOUR)
    made = inputs.make(bars_NL5, opened_N)[features]
    assert made.dtype == np.float32
    assert made.shape == (5, *one.row)
    opened_L = opened_N[2] - np.arange(bars_NL5.shape[1])[::-1] * HOUR.ms
    history = FeatureSet.named(features).history(bars_NL5[2], opened_L)
    assert made[2].tobytes() == history[-4:].astype(np.float32).tobytes()
    assert made.tobytes() == inputs.make(bars_NL5[:, -inputs.bars_needed :], opened_N)[features].tobytes()


def test_several_inputs_are_made_of_the_same_bars():
    short, long = an_input("btc_3", 4), an_input("btc_rich", 6)
    inputs = Inputs([short, long], HOUR)
    assert inputs.bars_needed == long.bars_needed > short.bars_needed
    bars_NL5 = np.random.default_rng(3).uniform(90, 110, (2, inputs.bars_needed, 5))
    opened_N = np.array([400_000, 400_001]) * HOUR.ms
    together = inputs.make(bars_NL5, opened_N)
    assert list(together) == ["btc_3", "btc_rich"]
    assert together["btc_3"].tobytes() == Inputs([short], HOUR).make(bars_NL5, opened_N)["btc_3"].tobytes()


def test_features_whose_definition_changed_since_training_are_refused():
    other = msgspec.structs.replace(a_manifest().inputs[0], features_digest="0" * 16)
    with pytest.raises(BundleError, match="their definitions changed"):
        Inputs([other], HOUR)
