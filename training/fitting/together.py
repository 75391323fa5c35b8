"""One training by several processes, as torch's launcher starts them: each has a part of every batch.

    torchrun --standalone --nproc-per-node 2 --no-python gaze train bitcoin_hourly --bars bars.parquet --out run

The gradients are summed before each step, so all processes hold the same weights. They are those of one process but for
the order in which numbers are added: equal to some 1e-5 of their size, not to the bit. A loss that
weighs its samples by their batch (balanced classes, samples by volatility) is weighed within each part.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn


class Together:
    """This process among those of the training; alone where no launcher started others."""

    def __init__(self) -> None:
        there = distributed.is_available() and distributed.is_initialized()
        self.rank = distributed.get_rank() if there else 0
        self.size = distributed.get_world_size() if there else 1

    def part(self, ends_N: Tensor) -> tuple[Tensor, float]:
        """Of a batch, this process' windows and how much their mean counts; what is too small to share, all have."""
        if self.size == 1:
            return ends_N, 1.0
        if len(ends_N) < self.size:
            return ends_N, 1.0 / self.size
        mine_N = ends_N[self.rank :: self.size]
        return mine_N, len(mine_N) / len(ends_N)

    def add(self, weights: Sequence[nn.Parameter]) -> None:
        """Sum the gradients of all processes."""
        if self.size == 1:
            return
        for weight in weights:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
            distributed.all_reduce(weight.grad)

    def total(self, value: Tensor) -> Tensor:
        """A number summed over all processes."""
        if self.size > 1:
            distributed.all_reduce(value)
        return value


@contextmanager
def joined() -> Iterator[bool]:
    """Be one of the processes that a launcher started; whether this is the one that talks and writes."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield True
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield distributed.get_rank() == 0
    finally:
        distributed.destroy_process_group()
