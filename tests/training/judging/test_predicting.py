import numpy as np
import pytest
import torch
from networks import EVERY_KIND, VARIANTS, a_network, inputs_of, raw

from training.fitting import calibration
from training.judging.looked import looked
from training.judging.predicting import LOOKED, _say
from training.network.model import PLAIN
from training.recipe import Calibration


@pytest.mark.parametrize(("family", "variant"), VARIANTS, ids=str)
def test_every_family_says_in_few_numbers_where_it_looked(family: str, variant: str):
    model, inputs = a_network(family, variant), raw(inputs_of(family), 9)
    with torch.inference_mode():
        said = _say(model, inputs)
    assert said[LOOKED].shape[0] == 9
    assert said[LOOKED].shape[1] >= 5
    assert np.isfinite(said[LOOKED]).all()


def test_where_it_looked_is_entropy_concentration_shares_and_features_by_weight():
    model = a_network("hourly_lstm", "linear")
    x_NTF = np.zeros((1, 4, 2), np.float32)
    x_NTF[0, :, 0] = [1, 2, 3, 4]
    weights = np.array([[0.5, 0.5, 0, 0]], np.float32)
    numbers = looked(model.attentions, {"attention": weights}, x_NTF)[0]
    assert numbers.tolist() == pytest.approx([0.5, 1 / 3, 1.0, 0.0, 0.0, 1.5, 0.0])


def test_rows_that_a_window_lacks_have_no_part_in_it():
    model = a_network("hourly_lstm", "linear")
    x_NTF = np.array([[[np.nan], [2.0]]], np.float32)
    weights = np.array([[0.0, 1.0]], np.float32)
    assert looked(model.attentions, {"attention": weights}, x_NTF)[0, -1] == 2


def test_a_calibrated_output_is_also_said_without_its_calibration():
    model, inputs = a_network("hourly_lstm", "linear", EVERY_KIND), raw(inputs_of("hourly_lstm"), 5)
    with torch.inference_mode():
        before = _say(model, inputs)
        calibration.attach(model, Calibration("temperature"))
        for output in model.outputs:
            if model.head(output).calibrated:
                model.head(output).before.temperature.fill_(3.0)
        after = _say(model, inputs)
    assert {name for name in after if name.startswith(PLAIN)} == {
        f"{PLAIN}{name}" for name in ("direction_1", "probability_4", "ordinal_1")
    }
    assert not any(name.startswith(PLAIN) for name in before)
    for name in ("direction_1", "probability_4", "ordinal_1"):
        np.testing.assert_array_equal(after[PLAIN + name], before[name])
        assert np.abs(after[name] - before[name]).max() > 1e-3
