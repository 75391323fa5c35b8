"""Which inputs a forecast hangs on: occlusion, and for a run, which gives gradients, two methods more.

They say what moves this model's number, not what moves the market. N predictions, T steps, F features.

occlusion              one step, or one cell, replaced by the usual feature row; what the forecast loses
input x gradient       the gradient at the input times its distance from the usual row
integrated gradients   the same, the gradient averaged on the way from the usual row (Sundararajan et al. 2017)
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core.outputs import Output
from training.explain.predictions import Doubles, Floats, upward
from training.explain.subject import Subject

Forecast = Callable[[Floats], Doubles]

PATH_STEPS: Final = 32
BATCH: Final = 2_048


def forecaster(subject: Subject, output: Output) -> Forecast:
    """(N, T, F) -> (N,): the output as one number, above zero for up."""

    def forecast(x_NTF: Floats) -> Doubles:
        parts = [x_NTF[at : at + BATCH] for at in range(0, len(x_NTF), BATCH)]
        return np.concatenate([upward(output, subject.say(part)[output.name]) for part in parts])

    return forecast


def occlude_steps(forecast: Forecast, x_NTF: Floats, usual_F: Floats) -> Doubles:
    """(N, T): what each forecast loses when one step becomes the usual feature row."""
    rows, steps, features = x_NTF.shape
    gone_TT = np.eye(steps, dtype=bool)
    x_STF = without(np.repeat(x_NTF, steps, axis=0), np.tile(gone_TT, (rows, 1)), usual_F)
    return forecast(x_NTF)[:, None] - forecast(x_STF.reshape(-1, steps, features)).reshape(rows, steps)


def occlude_cells(forecast: Forecast, x_TF: Floats, usual_F: Floats) -> Doubles:
    """(T, F): what one forecast loses when one feature of one step becomes usual."""
    steps, features = x_TF.shape
    x_CTF = np.repeat(x_TF[None], steps * features, axis=0)
    cell = np.arange(steps * features)
    x_CTF[cell, cell // features, cell % features] = usual_F[cell % features]
    return (forecast(x_TF[None]) - forecast(x_CTF)).reshape(steps, features)


def without(x_NTF: Floats, gone: npt.NDArray[np.bool_], usual_F: Floats) -> Floats:
    """The windows with the steps that are marked, (T,) or (N, T), replaced by the usual feature row."""
    gone_NT = np.broadcast_to(gone, x_NTF.shape[:2])
    return np.where(gone_NT[..., None], usual_F, x_NTF)


def input_x_gradient(model: nn.Module, output: Output, x_NTF: Floats, usual_F: Floats) -> Doubles:
    """(N, T, F): how far each cell moves the forecast, if it went on as steeply as it begins."""
    return _gradient(model, output, x_NTF) * (x_NTF - usual_F)


def integrated_gradients(model: nn.Module, output: Output, x_NTF: Floats, usual_F: Floats) -> Doubles:
    """(N, T, F): shares of the forecast less that of a window of usual rows; they add up to it, nearly."""
    away_NTF = x_NTF - usual_F
    total = np.zeros(x_NTF.shape)
    for step in range(PATH_STEPS):
        along = np.float32((step + 0.5) / PATH_STEPS)
        total += _gradient(model, output, usual_F + along * away_NTF)
    return total / PATH_STEPS * away_NTF


def _gradient(model: nn.Module, output: Output, x_NTF: Floats) -> Doubles:
    x = torch.from_numpy(x_NTF.astype(np.float32)).requires_grad_()
    said: Tensor = model(x)[output.name]
    weight = torch.from_numpy(_slope(output, said)).to(said.dtype)
    # Rows do not know of each other, so the gradient of the sum is each row's own.
    (gradient,) = torch.autograd.grad((said * weight).sum(), x)
    return gradient.numpy().astype(np.float64)


def _slope(output: Output, said: Tensor) -> Doubles:
    """How `upward` weighs the columns of an output: it is linear in them."""
    if said.ndim == 1:
        return np.ones(1)
    unit = np.eye(said.shape[1], dtype=np.float32)
    return upward(output, unit) - upward(output, np.zeros_like(unit))
