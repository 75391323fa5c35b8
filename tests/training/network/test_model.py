import numpy as np
import torch

from training.network.model import Normalise


def test_normalised_rows_have_mean_zero_and_deviation_one():
    rows = np.random.default_rng(0).normal((1e-3, 50.0), (1e-5, 7.0), (500, 2)).astype(np.float32)
    normalise = Normalise(2)
    normalise.fit(rows)
    said = normalise(torch.from_numpy(rows))
    np.testing.assert_allclose(said.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(said.std(0, correction=0), 1, atol=1e-3)


def test_a_constant_feature_becomes_zero():
    normalise = Normalise(1)
    normalise.fit(np.full((10, 1), 3.0, np.float32))
    assert normalise(torch.full((2, 4, 1), 3.0)).tolist() == torch.zeros(2, 4, 1).tolist()


def test_normalisation_is_saved_with_the_weights_and_not_learned():
    normalise = Normalise(3)
    assert set(normalise.state_dict()) == {"mean", "std"}
    assert not list(normalise.parameters())
