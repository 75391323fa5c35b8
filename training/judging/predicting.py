"""What a model says of many windows, in batches. N windows, A numbers of where it looked."""

from collections.abc import Callable, Collection, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.data.dataset import Samples
from training.data.windows import Windows
from training.judging.looked import looked
from training.network.model import Model

Floats = npt.NDArray[np.float32]
Said = dict[str, Floats]

BATCH: Final = 256
LOOKED: Final = "looked"
"""Where the model looked, in few numbers: (N, A)."""


def predict(
    model: torch.nn.Module,
    samples: Samples,
    only: Collection[str] = (),
    less: Mapping[str, Callable[[Floats], Floats]] | None = None,
) -> Said:
    """Every output and attention of the model for every window, in order, on the model's device.

    One of our own families also gives LOOKED, and what calibrated outputs would say without that. `only`: keep no more.
    `less`: what to keep of the ones named, of each batch: matrices of attention of all windows may be more than memory.
    """
    less = less or {}
    windows = Windows(samples.panel, next(model.parameters()).device)
    ends_N = torch.from_numpy(samples.ends_N)
    said: Said = {}
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(ends_N), BATCH):
            for name, whole_values in _say(model, windows.inputs(ends_N[start : start + BATCH])).items():
                if only and name not in only:
                    continue
                values = less[name](whole_values) if name in less else whole_values
                # Written into one array at once: small tensors kept between batches would scatter over the heap.
                whole = said.setdefault(name, np.empty((len(ends_N), *values.shape[1:]), np.float32))
                whole[start : start + len(values)] = values
    return said


def _say(model: torch.nn.Module, inputs: tuple[Tensor, ...]) -> Said:
    if not isinstance(model, Model):
        return {name: values.cpu().numpy() for name, values in model(*inputs).items()}
    said = {name: values.cpu().numpy() for name, values in model.both(*inputs).items()}
    return said | {LOOKED: looked(model.attentions, said, inputs[0].cpu().numpy()).astype(np.float32)}
