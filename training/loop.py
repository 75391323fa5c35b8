"""The training loop: batches cut by index, the weights of the best epoch kept, the same result from the same seed."""

import math
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from core.errors import ConfigError, DataError
from training.followed import Followed
from training.history import Epoch
from training.looking import Looking
from training.losses import IN_RETURNS, Objective
from training.model import Model
from training.optimisers import Rate, make
from training.recipe import Optimiser, Recipe
from training.split import Parts
from training.windows import Windows

Watch = Callable[[int, float], None]
"""Told the epoch's number and how much of it is done, from 0 to 1."""


def set_up(model: Model, parts: Parts) -> None:
    """Fit the normalisation of inputs and the scale of outputs, both on the training part alone."""
    model.normalise.fit(parts.train.feature_rows())
    if model.normalise_market is not None:
        model.normalise_market.fit(parts.train.market_rows())
    for output in model.outputs:
        if output.kind in IN_RETURNS:
            spread = float(np.nanstd(parts.train.target(output)))
            model.head(output).scale.fill_(spread if spread > 0 else 1.0)


def fit(model: Model, parts: Parts, recipe: Recipe, watch: Watch) -> Iterator[Epoch]:
    """Train in place, giving each epoch as it ends. At the end the model has the weights of its best epoch.

    Raises: ConfigError: an unknown optimiser or loss, a GPU that is not there. DataError: the loss is no number.
    """
    how = recipe.optimiser
    device = _device(how.device)
    model.to(device)
    windows = Windows(parts.train.panel, device)
    loss = Objective(model, recipe, parts.train)
    looking = Looking(model, recipe.loss)
    optimiser = make(model, how)
    rate = Rate(optimiser, recipe.schedule, how.epochs)
    shuffle = torch.Generator().manual_seed(recipe.seed)
    train_N = torch.from_numpy(parts.train.ends_N)
    validation_N = torch.from_numpy(parts.validation.ends_N)
    best_loss, best_number, best_weights = float("inf"), 0, _weights(model)
    for number in range(1, how.epochs + 1):
        started, current = time.perf_counter(), rate.now
        shuffled_N = train_N[torch.randperm(len(train_N), generator=shuffle)]
        train_loss, norm = _train(model, windows, shuffled_N, how, loss, looking, optimiser, partial(watch, number))
        followed = Followed(model.attentions)
        validation_loss, shares = measure(model, windows, validation_N, loss, followed)
        if not math.isfinite(train_loss + validation_loss):
            raise DataError(
                f"the loss of epoch {number} is {train_loss}, of validation {validation_loss}. "
                f"try: --set optimiser.learning_rate={how.learning_rate / 10:g}, or gaze bars check"
            )
        # Without the margin, noise in the last digits would keep a training that has ended alive.
        improved = validation_loss < best_loss - recipe.stopping.min_delta or number == 1
        if improved:
            best_loss, best_number, best_weights = validation_loss, number, _weights(model)
        seconds = time.perf_counter() - started
        yield Epoch(number, train_loss, validation_loss, norm, seconds, improved, current, shares, followed.seen())
        if number - best_number >= recipe.stopping.patience:
            break
        rate.next(validation_loss)
    model.load_state_dict(best_weights)
    model.to("cpu").eval()


def measure(
    model: Model, windows: Windows, ends_N: Tensor, loss: Objective, followed: Followed | None = None, batch: int = 256
) -> tuple[float, dict[str, float]]:
    """Mean loss over the windows, and that of each output; no dropout, no gradient. `followed` sees where it looks."""
    model.eval()
    total, shares = 0.0, dict.fromkeys((output.name for output in model.outputs), 0.0)
    with torch.inference_mode():
        for ends in torch.split(ends_N, batch):
            batch_loss, parts, raw = _loss(model, windows, ends, loss)
            if followed is not None:
                followed.add(raw)
            total += batch_loss.item() * len(ends)
            for name, part in parts.items():
                shares[name] += part.item() * len(ends)
    return total / len(ends_N), {name: share / len(ends_N) for name, share in shares.items()}


def _train(
    model: Model,
    windows: Windows,
    ends_N: Tensor,
    how: Optimiser,
    loss: Objective,
    looking: Looking,
    optimiser: torch.optim.Optimizer,
    watch: Callable[[float], None],
) -> tuple[float, float]:
    """One pass over the training windows: mean loss and mean norm of the gradients before clipping."""
    model.train()
    batches = torch.split(ends_N, how.batch)
    total, norms, steps = 0.0, 0.0, 0
    for done, ends in enumerate(batches, start=1):
        batch_loss, _, raw = _loss(model, windows, ends, loss)
        if looking.asked:
            batch_loss = batch_loss + looking(raw, windows.events(ends))
        # Each of the batches that make one step counts by its share of them.
        first = (done - 1) // how.accumulate * how.accumulate
        (batch_loss / len(batches[first : first + how.accumulate])).backward()  # type: ignore[no-untyped-call]
        if done % how.accumulate == 0 or done == len(batches):
            norms += nn.utils.clip_grad_norm_(model.parameters(), how.clip).item()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            steps += 1
        total += batch_loss.item() * len(ends)
        watch(done / len(batches))
    return total / len(ends_N), norms / steps


def _loss(
    model: Model, windows: Windows, ends: Tensor, loss: Objective
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """The loss, that of each output, and the raw numbers and attentions it is of."""
    raw = model.raw(*windows.inputs(ends))
    return *loss(raw, windows.labels(ends), windows.volatility(ends)), raw


def _weights(model: Model) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("the recipe asks for a GPU (optimiser.device) and torch sees none. try: gaze doctor")
    return torch.device(name)
