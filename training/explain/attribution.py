"""Which inputs a forecast hangs on, as captum computes it: occlusion, and for a run, which gives gradients, two more.

They say what moves this model's number, not what moves the market. N predictions, T steps, F features.

occlusion              steps, or one cell, replaced by the usual feature row; what the forecast loses
input x gradient       the gradient at the input times its distance from the usual row
integrated gradients   the same, the gradient averaged on the way from the usual row (Sundararajan et al. 2017)

An expanding window's rows that are not there (NaN) stay so, and nothing hangs on them.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from captum.attr import FeatureAblation, InputXGradient, IntegratedGradients
from torch import Tensor, nn

from core.outputs import Output
from training.explain.reads import Doubles, Reads, together
from training.explain.subject import Subject
from training.explain.upward import upward, weights

Forecast = Callable[[Reads], Doubles]

PATH_STEPS: Final = 32
WINDOWS: Final = 2_048
"""So many windows are held at once."""
GRAPHS: Final = 256
"""So many windows of 48 steps are differentiated at once."""
OCCLUDED: Final = 96
"""No more places than these are taken away one by one: steps of longer windows go together."""
CELLS: Final = 1_500


def forecaster(subject: Subject, output: Output) -> Forecast:
    """(N, T, F) of each input -> (N,): the output as one number, above zero for up."""
    # A model tells all its attention with every answer: of many windows at once that would fill the memory.
    batch = together(subject.inputs)

    def forecast(x: Reads) -> Doubles:
        parts = [tuple(one[at : at + batch] for one in x) for at in range(0, len(x[0]), batch)]
        return np.concatenate([upward(output, subject.say(part)[output.name]) for part in parts])

    return forecast


def occlude_steps(forecast: Forecast, x: Reads, usual: Reads, place: int = 0) -> Doubles:
    """(N, T): what each forecast loses when a step of one input becomes the usual feature row.

    Of long windows some steps go together, and each is told an even share of the loss.
    """
    steps = x[place].shape[1]
    stretch = -(-steps // OCCLUDED)
    part_TF = np.repeat((np.arange(steps) // stretch)[:, None], len(usual[place]), axis=1)
    return np.asarray(_ablate(forecast, x, usual, place, part_TF)[..., 0] / stretch)


def occlude_cells(forecast: Forecast, x: Reads, usual: Reads, place: int = 0) -> Doubles:
    """(T, F): what one forecast loses when one feature of one step becomes usual; of long windows, of some steps."""
    _, steps, features = x[place].shape
    stretch = -(-steps * features // CELLS)
    cell_TF = (np.arange(steps) // stretch)[:, None] * features + np.arange(features)
    return np.asarray(_ablate(forecast, x, usual, place, cell_TF)[0] / stretch)


def _ablate(forecast: Forecast, x: Reads, usual: Reads, place: int, part_TF: npt.NDArray[np.int64]) -> Doubles:
    """(N, T, F): what is lost without the part that each cell of one input belongs to."""
    others = tuple(torch.from_numpy(one) for number, one in enumerate(x) if number != place)

    def told(asked: Tensor, *beside: Tensor) -> Tensor:
        whole = [one.numpy() for one in beside]
        whole.insert(place, asked.numpy())
        return torch.from_numpy(forecast(tuple(whole)))

    baseline = torch.from_numpy(np.broadcast_to(usual[place], (1, *part_TF.shape)).copy())
    lost: Tensor = FeatureAblation(told).attribute(
        torch.from_numpy(x[place]),
        baselines=baseline,
        additional_forward_args=others or None,
        feature_mask=torch.from_numpy(part_TF)[None],
        perturbations_per_eval=max(1, WINDOWS // len(x[place])),
    )
    return lost.numpy()


def without(x: Reads, gone: npt.NDArray[np.bool_], usual: Reads, place: int = 0) -> Reads:
    """The windows with the steps of one input that are marked, (T,) or (N, T), replaced by the usual feature row."""
    taken = x[place]
    gone_NT = np.broadcast_to(gone, taken.shape[:2]) & ~np.isnan(taken).any(axis=-1)
    made = np.where(gone_NT[..., None], usual[place], taken)
    return tuple(made if number == place else one for number, one in enumerate(x))


def input_x_gradient(model: nn.Module, output: Output, x: Reads, usual: Reads) -> tuple[Doubles, ...]:
    """(N, T, F) of each input: how far each cell moves the forecast, if it went on as steeply as it begins."""
    usuals = tuple(torch.from_numpy(row) for row in usual)

    def from_usual(*away: Tensor) -> Tensor:
        return _told(model, output, *(one + row for one, row in zip(away, usuals, strict=True)))

    def told(some: Reads) -> tuple[Tensor, ...]:
        away = tuple((torch.from_numpy(one) - row).requires_grad_() for one, row in zip(some, usuals, strict=True))
        return tuple(InputXGradient(from_usual).attribute(away))

    return _in_parts(told, x, _graphs(x))


def integrated_gradients(model: nn.Module, output: Output, x: Reads, usual: Reads) -> tuple[Doubles, ...]:
    """(N, T, F) of each input: shares of the forecast less that of usual rows alone; they add up to it, nearly."""

    def told(some: Reads) -> tuple[Tensor, ...]:
        rows = (torch.from_numpy(np.broadcast_to(row, one.shape).copy()) for one, row in zip(some, usual, strict=True))
        found: tuple[Tensor, ...] = IntegratedGradients(lambda *along: _told(model, output, *along)).attribute(
            tuple(torch.from_numpy(one) for one in some),
            baselines=tuple(rows),
            n_steps=PATH_STEPS,
            method="riemann_middle",
            internal_batch_size=_graphs(x),
        )
        return found

    return _in_parts(told, x, max(1, _graphs(x) // 8))


def _graphs(x: Reads) -> int:
    """How many windows are differentiated at once: what a model keeps of each for that is large."""
    return max(8, int(GRAPHS * 48 // x[0].shape[1]))


def _in_parts(told: Callable[[Reads], tuple[Tensor, ...]], x: Reads, rows: int) -> tuple[Doubles, ...]:
    parts = [told(tuple(one[at : at + rows] for one in x)) for at in range(0, len(x[0]), rows)]
    return tuple(
        np.nan_to_num(np.concatenate([one.detach().numpy() for one in every]).astype(np.float64))
        for every in zip(*parts, strict=True)
    )


def _told(model: nn.Module, output: Output, *x: Tensor) -> Tensor:
    """(N,): the output as one number; it is linear in the output's columns."""
    said: Tensor = model(*x)[output.name]
    told: Tensor = said if said.ndim == 1 else said @ torch.from_numpy(weights(output)).to(said.dtype)
    return told
