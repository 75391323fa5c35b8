"""The training loop: batches cut by index, the weights of the best epoch kept, the same result from the same seed."""

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn

from core.errors import ConfigError, DataError
from core.outputs import Kind
from training import losses
from training.history import Epoch
from training.losses import Loss
from training.model import Model
from training.recipe import Optimiser, Recipe
from training.split import Parts
from training.windows import Windows

Watch = Callable[[int, float], None]
"""Told the epoch's number and how much of it is done, from 0 to 1."""

OPTIMISERS: Final[dict[str, type[torch.optim.Optimizer]]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


def set_up(model: Model, parts: Parts) -> None:
    """Fit the normalisation of inputs and the scale of outputs, both on the training part alone."""
    model.normalise.fit(parts.train.feature_rows())
    for output in model.outputs:
        if output.kind is Kind.RETURN:
            spread = float(parts.train.target(output).std())
            model.head(output).scale.fill_(spread if spread > 0 else 1.0)


def fit(model: Model, parts: Parts, recipe: Recipe, watch: Watch) -> Iterator[Epoch]:
    """Train in place, giving each epoch as it ends. At the end the model has the weights of its best epoch.

    Raises: ConfigError: an unknown optimiser or loss, a GPU that is not there. DataError: the loss is no number.
    """
    how = recipe.optimiser
    device = _device(how.device)
    model.to(device)
    windows = Windows(parts.train.panel, device)
    loss = losses.named(how.loss)
    optimiser = _optimiser(model, how)
    shuffle = torch.Generator().manual_seed(recipe.seed)
    train_N = torch.from_numpy(parts.train.ends_N)
    validation_N = torch.from_numpy(parts.validation.ends_N)
    best_loss, best_number, best_weights = float("inf"), 0, _weights(model)
    for number in range(1, how.epochs + 1):
        started = time.perf_counter()
        shuffled_N = train_N[torch.randperm(len(train_N), generator=shuffle)]
        train_loss, norm = _train(model, windows, shuffled_N, how, loss, optimiser, partial(watch, number))
        validation_loss = measure(model, windows, validation_N, loss)
        if not math.isfinite(train_loss + validation_loss):
            raise DataError(
                f"the loss of epoch {number} is {train_loss}, of validation {validation_loss}. "
                f"try: --set optimiser.learning_rate={how.learning_rate / 10:g}, or gaze bars check"
            )
        # Without the margin, noise in the last digits would keep a training that has ended alive.
        improved = validation_loss < best_loss - recipe.stopping.min_delta or number == 1
        if improved:
            best_loss, best_number, best_weights = validation_loss, number, _weights(model)
        yield Epoch(number, train_loss, validation_loss, norm, time.perf_counter() - started, improved)
        if number - best_number >= recipe.stopping.patience:
            break
    model.load_state_dict(best_weights)
    model.to("cpu").eval()


def measure(model: Model, windows: Windows, ends_N: Tensor, loss: Loss, batch: int = 256) -> float:
    """Mean loss over the windows, no dropout, no gradient."""
    model.eval()
    total = 0.0
    with torch.inference_mode():
        for ends in torch.split(ends_N, batch):
            total += _loss(model, windows, ends, loss).item() * len(ends)
    return total / len(ends_N)


def _train(
    model: Model,
    windows: Windows,
    ends_N: Tensor,
    how: Optimiser,
    loss: Loss,
    optimiser: torch.optim.Optimizer,
    watch: Callable[[float], None],
) -> tuple[float, float]:
    """One pass over the training windows: mean loss and mean norm of the gradients before clipping."""
    model.train()
    batches = torch.split(ends_N, how.batch)
    total, norms = 0.0, 0.0
    for done, ends in enumerate(batches, start=1):
        optimiser.zero_grad(set_to_none=True)
        batch_loss = _loss(model, windows, ends, loss)
        batch_loss.backward()  # type: ignore[no-untyped-call]
        norms += nn.utils.clip_grad_norm_(model.parameters(), how.clip).item()
        optimiser.step()
        total += batch_loss.item() * len(ends)
        watch(done / len(batches))
    return total / len(ends_N), norms / len(batches)


def _loss(model: Model, windows: Windows, ends: Tensor, loss: Loss) -> Tensor:
    """The mean over the outputs, each in deviations of its training labels."""
    said, labels = model(windows.features(ends)), windows.labels(ends)
    parts = [loss(said[o.name] / model.head(o).scale, labels[o.name] / model.head(o).scale) for o in model.outputs]
    return torch.stack(parts).mean()


def _weights(model: Model) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def _optimiser(model: Model, how: Optimiser) -> torch.optim.Optimizer:
    if how.kind not in OPTIMISERS:
        raise ConfigError(f"no optimiser is called {how.kind!r}; try: optimiser.kind = {' or '.join(OPTIMISERS)}")
    settings: dict[str, Any] = {"lr": how.learning_rate, "weight_decay": how.weight_decay}
    return OPTIMISERS[how.kind](model.parameters(), **settings)


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("the recipe asks for a GPU (optimiser.device) and torch sees none. try: gaze doctor")
    return torch.device(name)
