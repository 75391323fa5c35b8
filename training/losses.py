"""What training makes small. Predictions and labels come in deviations of the training labels.

To add a loss: write its function and add its line to LOSSES. N samples.
"""

from collections.abc import Callable
from typing import Final

from torch import Tensor
from torch.nn import functional

from core.errors import ConfigError

Loss = Callable[[Tensor, Tensor], Tensor]
"""(N, ...) predictions and (N, ...) labels -> (), the mean."""

LOSSES: Final[dict[str, Loss]] = {
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": functional.huber_loss,
}


def named(name: str) -> Loss:
    """A loss from LOSSES.

    Raises: ConfigError: there is none of this name.
    """
    if name not in LOSSES:
        raise ConfigError(f"no loss is called {name!r}; try: optimiser.loss = {' or '.join(sorted(LOSSES))}")
    return LOSSES[name]
