"""What happened in each epoch of a training."""

import msgspec


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
