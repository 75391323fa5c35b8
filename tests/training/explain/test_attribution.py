import numpy as np
import torch
from looks import ONE_RETURN, Pointing, speaking
from torch import Tensor, nn

from core.outputs import Attention, Kind, Output
from training.explain import attribution
from training.explain.attribution import forecaster, integrated_gradients
from training.explain.explaining import Explained
from training.explain.subject import Subject
from training.explain.upward import upward

USUAL = np.array([0.1, 0.2, 0.3], np.float32)
ROWS = np.random.default_rng(0).normal(0, 1, (5, 8, 3)).astype(np.float32)
WEIGHTS = np.random.default_rng(1).normal(0, 1, (8, 3)).astype(np.float32)


class Linear(nn.Module):
    """A forecast of which every method of attribution must say the same."""

    def __init__(self) -> None:
        super().__init__()
        self.attentions = (Attention("attention", ("time",)),)

    def forward(self, x_NTF: Tensor) -> dict[str, Tensor]:
        even = torch.full(x_NTF.shape[:2], 1 / x_NTF.shape[1])
        return {"return_1": (x_NTF * torch.from_numpy(WEIGHTS)).sum(dim=(1, 2)), "attention": even}


def test_all_methods_agree_on_a_linear_model(run_subject: Subject):
    forecast = forecaster(speaking(Linear(), run_subject), ONE_RETURN[0])
    truth = WEIGHTS * (ROWS - USUAL)
    gradient = attribution.input_x_gradient(Linear(), ONE_RETURN[0], (ROWS,), (USUAL,))[0]
    integrated = integrated_gradients(Linear(), ONE_RETURN[0], (ROWS,), (USUAL,))[0]
    assert np.abs(gradient - truth).max() < 1e-5
    assert np.abs(integrated - truth).max() < 1e-5
    assert np.abs(attribution.occlude_steps(forecast, (ROWS,), (USUAL,)) - truth.sum(axis=2)).max() < 1e-5
    assert np.abs(attribution.occlude_cells(forecast, (ROWS[:1],), (USUAL,)) - truth[0]).max() < 1e-5


def test_integrated_gradients_add_up_to_the_forecast_less_that_of_usual_rows(explained: Explained):
    subject = explained.predictions.subject
    assert subject.model is not None
    forecast = forecaster(subject, ONE_RETURN[0])
    (x,), (usual,) = explained.tested.x, explained.predictions.usual
    whole = integrated_gradients(subject.model, ONE_RETURN[0], (x,), (usual,))[0].sum(axis=(1, 2))
    apart = forecast((x,)) - forecast((np.broadcast_to(usual, x.shape).astype(np.float32),))
    assert np.abs(whole - apart).max() < 0.01 * np.abs(apart).max()


def test_occlusion_points_at_the_one_bar_a_forecast_hangs_on(run_subject: Subject):
    forecast = forecaster(speaking(Pointing(honest=True), run_subject), ONE_RETURN[0])
    x = np.zeros((4, 8, 3), np.float32)
    for row, step in enumerate((0, 3, 5, 7)):
        x[row, step] = (0.5, 3.0, 0.0)
    lost = attribution.occlude_steps(forecast, (x,), (np.zeros(3, np.float32),))
    assert np.abs(lost).argmax(axis=1).tolist() == [0, 3, 5, 7]


def test_gradients_of_an_output_with_several_columns_are_those_of_its_direction():
    class Ordered(Linear):
        def forward(self, x_NTF: Tensor) -> dict[str, Tensor]:
            return {"ordinal_1": x_NTF[:, 0]}

    output = Output(Kind.ORDINAL, 1, levels=(0.0, 1.0, 2.0))
    found = attribution.input_x_gradient(Ordered(), output, (ROWS,), (np.zeros(3, np.float32),))[0]
    assert np.abs(found.sum(axis=(1, 2)) - upward(output, ROWS[:, 0])).max() < 1e-5
