"""A window in few numbers: what baselines read. N windows, T steps, F features."""

from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from training.data.dataset import Samples
from training.data.windows import Windows

BATCH: Final = 4_096

Floats = npt.NDArray[np.float64]


def summary(samples: Samples) -> Floats:
    """(N, 3 F): of every feature the newest value, the mean and the deviation over the window; rows lacking left out.

    Of the market, where there is one, the same three.
    """
    windows = Windows(samples.panel, torch.device("cpu"))
    parts = [
        numbers(windows.inputs(ends)).double().numpy() for ends in torch.split(torch.from_numpy(samples.ends_N), BATCH)
    ]
    return np.concatenate(parts)


def numbers(inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """(N, T, F) of every input -> (N, 3 F of each)."""
    columns = []
    for x_NTF in inputs:
        mean_N1F = x_NTF.nanmean(dim=1, keepdim=True)
        deviation_NF = (x_NTF - mean_N1F).square().nanmean(dim=1).sqrt()
        columns += [x_NTF[:, -1], mean_N1F[:, 0], deviation_NF]
    return torch.cat(columns, dim=1)
