"""What happened in each epoch of a training."""

import msgspec


class Seen(msgspec.Struct, frozen=True):
    """How one attention lay on the validation part: means over its windows, of their mean over heads and layers."""

    entropy: float
    """Normalised: 1 is even, 0 one single step."""
    concentration_factor: float
    """The largest weight over the even one."""
    profile: tuple[float, ...]
    """(T,): the weight of each step, oldest first."""


class Epoch(msgspec.Struct, frozen=True):
    """One epoch: mean losses, in squared deviations of the training labels where the loss is mse."""

    number: int
    train_loss: float
    validation_loss: float
    gradient_norm: float
    """Mean norm of the gradients before clipping."""
    seconds: float
    best: bool
    """Whether no earlier epoch had a lower validation loss."""
    learning_rate: float = 0.0
    """What it was in this epoch."""
    validation_parts: dict[str, float] = {}
    """The validation loss of each output, unweighted."""
    attention: dict[str, Seen] = {}
    """Where it looked after the epoch, by the attention's name."""
    train_measures: dict[str, float] = {}
    """Accuracy and area under the curve while it learned, dropout on, of outputs that say how likely something is."""
    validation_measures: dict[str, float] = {}
    """The same on the validation part, after the epoch."""
