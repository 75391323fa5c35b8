"""The two documents' networks as a person would write them, and the loops that train them: what Gaze is held beside."""

import math
import time
from collections.abc import Callable
from typing import Final

import msgspec
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from training.data.split import Parts
from training.recipe import Recipe

BATCH: Final = 32


class AttentionLstm(nn.Module):
    """As a person would write it down from the document."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.LSTM(20, 64, batch_first=True)
        self.second = nn.LSTM(64, 32, batch_first=True)
        self.score = nn.Linear(32, 1)
        self.dense = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 16), nn.ReLU())
        self.out = nn.Linear(16, 1)
        self.dropout = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 30, 20) -> (N,) logits."""
        h, _ = self.first(x)
        h, _ = self.second(self.dropout(h))
        h = self.dropout(h)
        weights = torch.softmax(torch.tanh(self.score(h)), dim=1)
        said: Tensor = self.out(self.dense((weights * h).sum(dim=1))).squeeze(-1)
        return said


class HourlyLstm(nn.Module):
    """The same for the other."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 128, batch_first=True)
        self.score = nn.Linear(128, 1)
        self.out = nn.Linear(128, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 48, 3) -> (N,)."""
        h, _ = self.lstm(x)
        weights = torch.softmax(self.score(h), dim=1)
        said: Tensor = self.out((weights * h).sum(dim=1)).squeeze(-1)
        return said


PLAIN: Final[dict[str, tuple[type[nn.Module], type[nn.Module]]]] = {
    "attention_lstm": (AttentionLstm, nn.BCEWithLogitsLoss),
    "hourly_lstm": (HourlyLstm, nn.MSELoss),
}
"""The network and its loss."""


class Given(msgspec.Struct, frozen=True):
    """The same windows, as Gaze cuts them and as tensors of their own."""

    told: Recipe
    parts: Parts
    x: Tensor
    y: Tensor
    held_x: Tensor
    held_y: Tensor


class Took(msgspec.Struct, frozen=True):
    """Seconds by the clock and of the processor."""

    clock: float
    processor: float

    @classmethod
    def by(cls, work: Callable[[], object]) -> "Took":
        """Of a piece of work."""
        clock, processor = time.perf_counter(), time.process_time()
        work()
        return cls(time.perf_counter() - clock, time.process_time() - processor)


def obvious(work: Given) -> Took:
    """Seconds of the loop that every tutorial has."""
    torch.manual_seed(0)
    network, loss_kind = PLAIN[work.told.model.family]
    model, loss_of = network(), loss_kind()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    batches = DataLoader(TensorDataset(work.x, work.y), batch_size=BATCH, shuffle=True)
    held = DataLoader(TensorDataset(work.held_x, work.held_y), batch_size=BATCH)

    def train() -> None:
        for _ in range(work.told.optimiser.epochs):
            model.train()
            total = 0.0
            for x, y in batches:
                optimiser.zero_grad()
                loss = loss_of(model(x), y)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimiser.step()
                total += loss.item()
            model.eval()
            with torch.no_grad():
                total += sum(loss_of(model(x), y).item() for x, y in held)

    return Took.by(train)


def with_skorch(work: Given) -> Took | None:
    """Seconds of skorch with its defaults but for what the work says; None where it is not installed."""
    try:
        import skorch  # noqa: PLC0415 - an extra of its own
        from skorch.dataset import Dataset  # noqa: PLC0415
        from skorch.helper import predefined_split  # noqa: PLC0415
    except ModuleNotFoundError:
        return None
    torch.manual_seed(0)
    network, loss_kind = PLAIN[work.told.model.family]
    net = skorch.NeuralNet(
        network,
        criterion=loss_kind,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=BATCH,
        max_epochs=work.told.optimiser.epochs,
        iterator_train__shuffle=True,
        train_split=predefined_split(Dataset(work.held_x.numpy(), work.held_y.numpy())),
        verbose=0,
    )
    return Took.by(lambda: net.fit(work.x.numpy(), work.y.numpy()))


def recurrence(work: Given) -> Took:
    """Seconds of the network's LSTMs alone, forward and backward over as many batches: no loop goes below."""
    torch.manual_seed(0)
    layers = _recurrent(work)

    def run() -> None:
        for _ in range(work.told.optimiser.epochs * math.ceil(len(work.x) / BATCH)):
            states = work.x[:BATCH]
            for layer in layers:
                states, _ = layer(states)
            states.sum().backward()  # type: ignore[no-untyped-call]

    return Took.by(run)


def billions(work: Given) -> float:
    """Floating-point operations of the LSTMs' matrix products in an epoch, forward and backward, in billions."""
    each = sum(4 * one.hidden_size * (one.input_size + one.hidden_size) for one in _recurrent(work))
    return 3 * 2 * each * work.x.shape[1] * len(work.x) / 1e9


def product(work: Given, seconds: float = 0.5) -> float:
    """Billions of operations a second that a product of a batch's states with the widest layer's weights reaches."""
    hidden = max(one.hidden_size for one in _recurrent(work))
    states, weights, out = torch.randn(BATCH, hidden), torch.randn(hidden, 4 * hidden), torch.empty(BATCH, 4 * hidden)
    best, begun = math.inf, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        best = min(best, Took.by(lambda: [torch.mm(states, weights, out=out) for _ in range(100)]).processor / 100)
    return 2 * BATCH * hidden * 4 * hidden / best / 1e9


def _recurrent(work: Given) -> list[nn.LSTM]:
    network = PLAIN[work.told.model.family][0]()
    return [one for one in network.modules() if isinstance(one, nn.LSTM)]
