"""The golden arrays of a model: some bars, their features, and what PyTorch says to them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from core.bundle import Manifest
from core.errors import BundleError
from core.golden import INPUT, OUTPUT, Arrays, features

FEWEST_ROWS = 4
"""So that a proof can cut them into batches of one, of two and of the rest."""


def make(model: nn.Module, manifest: Manifest, sample: Arrays) -> dict[str, npt.NDArray[Any]]:
    """What golden.npz holds, from a sample of bars (N, L, 5), opened_at_ms (N,), symbol (N,) and any market's bars.

    Raises: BundleError: too few bars, or the model says something that is not a number.
    """
    bars_NL5 = sample["bars"]
    needed = max(one.bars_needed for one in manifest.inputs)
    if len(bars_NL5) < FEWEST_ROWS or bars_NL5.shape[1] < needed:
        raise BundleError(
            f"the sample has {len(bars_NL5)} windows of {bars_NL5.shape[1]} bars, expected are {FEWEST_ROWS} or more "
            f"of {needed}; try: gaze train again"
        )
    inputs = features(manifest, sample)
    with torch.inference_mode():
        said = model.eval()(*(torch.from_numpy(inputs[one.name]) for one in manifest.inputs))
    outputs = {name: said[name].numpy() for name in manifest.graph_outputs}
    for name, values in outputs.items():
        if not np.isfinite(values).all():
            raise BundleError(f"the model says {name!r} with values that are not finite; try: gaze train again")
    told = dict(sample)
    told |= {INPUT + name: values for name, values in inputs.items()}
    return told | {OUTPUT + name: values for name, values in outputs.items()}
