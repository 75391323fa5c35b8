"""The training loop: batches cut by index, the weights of the best epoch kept, the same result from the same seed."""

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor

from core.errors import DataError
from training.data.split import Parts
from training.data.windows import Windows
from training.fitting.followed import Followed
from training.fitting.history import Epoch
from training.fitting.looking import Looking
from training.fitting.losses import IN_RETURNS, Objective
from training.fitting.optimisers import Rate, make
from training.fitting.precision import Precision, device
from training.fitting.tally import Tally
from training.fitting.together import Together
from training.network.model import Model
from training.recipe import Recipe

Watch = Callable[[int, float], None]
"""Told the epoch's number and how much of it is done, from 0 to 1."""
State = dict[str, Any]
"""Tensors and plain values, which torch reads back with weights_only."""


def set_up(model: Model, parts: Parts, *, normalise: bool = True) -> None:
    """Fit the normalisation of inputs, if so, and the scale of outputs, both on the training part alone."""
    if normalise:
        model.normalise.fit(parts.train.feature_rows())
    if normalise and model.normalise_market is not None:
        model.normalise_market.fit(parts.train.market_rows())
    for place, scale in enumerate(parts.train.panel.scales if normalise else ()):
        model.normalise_scales[place].fit(parts.train.scale_rows(scale))  # type: ignore[operator]
    for output in model.outputs:
        if output.kind in IN_RETURNS:
            spread = float(np.nanstd(parts.train.target(output)))
            model.head(output).scale.fill_(spread if spread > 0 else 1.0)


class Fit:
    """A training between two of its epochs: all that decides what comes next is in `state`.

    Raises: ConfigError: an unknown optimiser or loss, a GPU that is not there, a precision it would not gain by.
    """

    def __init__(self, model: Model, parts: Parts, recipe: Recipe) -> None:
        self._how, self._stopping = recipe.optimiser, recipe.stopping
        self._device = device(self._how.device)
        self.precision = Precision(self._how.precision, self._device)
        self._model = model.to(self._device)
        self._windows = Windows(parts.train.panel, self._device)
        self._loss = Objective(model, recipe, parts.train, parts.validation)
        self._looking = Looking(model, recipe.loss)
        self._optimiser = make(model, self._how)
        self._rate = Rate(self._optimiser, recipe.schedule, self._how.epochs)
        self._shuffle = torch.Generator().manual_seed(recipe.seed)
        self._train_N = torch.from_numpy(parts.train.ends_N)
        self._validation_N = torch.from_numpy(parts.validation.ends_N).to(self._device)
        self._best_weights = _weights(model)
        self._together = Together()
        self.history: tuple[Epoch, ...] = ()

    @property
    def _best(self) -> Epoch | None:
        return next((epoch for epoch in reversed(self.history) if epoch.best), None)

    @property
    def _over(self) -> bool:
        done, best = len(self.history), self._best
        return done >= self._how.epochs or (best is not None and done - best.number >= self._stopping.patience)

    def epochs(self, watch: Watch) -> Iterator[Epoch]:
        """Train in place, giving each epoch as it ends. At the end the model has the weights of its best epoch.

        Raises: DataError: the loss is no number.
        """
        while not self._over:
            number = len(self.history) + 1
            started, current = time.perf_counter(), self._rate.now
            shuffled_N = self._train_N[torch.randperm(len(self._train_N), generator=self._shuffle)]
            learned, held = Tally(self._model), Tally(self._model)
            train_loss, norm = self._train(shuffled_N.to(self._device), learned, partial(watch, number))
            followed = Followed(self._model.attentions)
            validation_loss, shares = measure(
                self._model, self._windows, self._validation_N, self._loss, followed, held
            )
            if not math.isfinite(train_loss + validation_loss):
                raise DataError(
                    f"the loss of epoch {number} is {train_loss}, of validation {validation_loss}. "
                    f"try: --set optimiser.learning_rate={self._how.learning_rate / 10:g}, or gaze bars check"
                )
            # Without the margin, noise in the last digits would keep a training that has ended alive.
            best = self._best
            improved = best is None or validation_loss < best.validation_loss - self._stopping.min_delta
            if improved:
                self._best_weights = _weights(self._model)
            seconds = time.perf_counter() - started
            epoch = Epoch(
                number,
                train_loss,
                validation_loss,
                norm,
                seconds,
                improved,
                current,
                shares,
                followed.seen(),
                learned.measures(),
                held.measures(),
            )
            self.history = (*self.history, epoch)
            self._rate.next(validation_loss)
            yield epoch
        self._model.load_state_dict(self._best_weights)
        self._model.to("cpu").eval()

    def state(self) -> State:
        """Everything the epochs to come hang on."""
        random = {"shuffle": self._shuffle.get_state(), "cpu": torch.get_rng_state()}
        if self._device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state()
        return {
            "model": _weights(self._model),
            "best": self._best_weights,
            "optimiser": self._optimiser.state_dict(),
            "rate": self._rate.state(),
            "precision": self.precision.state(),
            "random": random,
            "history": msgspec.json.encode(self.history).decode(),
        }

    def go_on(self, state: State) -> None:
        """Go on from such a state, as if nothing had happened since."""
        self._model.load_state_dict(state["model"])
        self._best_weights = state["best"]
        self._optimiser.load_state_dict(state["optimiser"])
        self._rate.go_on(state["rate"])
        self.precision.go_on(state["precision"])
        self.history = msgspec.json.decode(state["history"], type=tuple[Epoch, ...])
        self._shuffle.set_state(state["random"]["shuffle"])
        torch.set_rng_state(state["random"]["cpu"])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(state["random"]["cuda"])

    def _train(self, ends_N: Tensor, tally: Tally, watch: Callable[[float], None]) -> tuple[float, float]:
        """One pass over the training windows: mean loss and mean norm of the gradients before clipping."""
        model = self._model.train()
        weights = list(model.parameters())
        batches, accumulate = torch.split(ends_N, self._how.batch), self._how.accumulate
        # Summed on the device, so that no step of a GPU waits for the one before.
        total, norms = torch.zeros((2,), dtype=torch.float64, device=self._device)
        for done, batch in enumerate(batches, start=1):
            ends, share = self._together.part(batch)
            with self.precision.cast():
                raw = model.raw(*self._windows.inputs(ends))
            raw = {name: values.float() for name, values in raw.items()}
            labels = self._windows.labels(ends)
            loss, _ = self._loss(raw, labels, self._windows.volatility(ends), ends)
            tally.add(raw, labels)
            if self._looking.asked:
                loss = loss + self._looking(raw, self._windows.events(ends))
            # Each of the batches that make one step counts by its share of them.
            first = (done - 1) // accumulate * accumulate
            self.precision.backward(loss * share / len(batches[first : first + accumulate]))
            if done % accumulate == 0 or done == len(batches):
                self._together.add(weights)
                norms += self.precision.step(self._optimiser, weights, self._how.clip)
            total += loss.detach() * share * len(batch)
            watch(done / len(batches))
        return self._together.total(total).item() / len(ends_N), norms.item() / math.ceil(len(batches) / accumulate)


def fit(model: Model, parts: Parts, recipe: Recipe, watch: Watch) -> Iterator[Epoch]:
    """All epochs of a training from its beginning, as Fit gives them."""
    yield from Fit(model, parts, recipe).epochs(watch)


def measure(
    model: Model,
    windows: Windows,
    ends_N: Tensor,
    loss: Objective,
    followed: Followed | None = None,
    tally: Tally | None = None,
    batch: int = 256,
) -> tuple[float, dict[str, float]]:
    """Mean loss over the windows, and that of each output; no dropout, no gradient.

    `followed` sees where it looks, `tally` what it says.
    """
    model.eval()
    total, shares = 0.0, dict.fromkeys((output.name for output in model.outputs), 0.0)
    with torch.inference_mode():
        for ends in torch.split(ends_N, batch):
            raw = model.raw(*windows.inputs(ends))
            labels = windows.labels(ends)
            batch_loss, parts = loss(raw, labels, windows.volatility(ends), ends)
            if followed is not None:
                followed.add(raw)
            if tally is not None:
                tally.add(raw, labels)
            total += batch_loss.item() * len(ends)
            for name, part in parts.items():
                shares[name] += part.item() * len(ends)
    return total / len(ends_N), {name: share / len(ends_N) for name, share in shares.items()}


def _weights(model: Model) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
