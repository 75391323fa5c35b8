"""The bar that shows how far a training is: drawn on a terminal, silent when piped, one line an epoch in both."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.fitting.history import Epoch


class EpochBar:
    """A context manager; `watch` and `ended` are what a training calls."""

    def __init__(self, console: Console, epochs: int) -> None:
        columns = (TextColumn("epoch"), MofNCompleteColumn(), BarColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._console = console
        self._task = self._progress.add_task("train", total=epochs)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._progress.stop()

    def watch(self, epoch: int, done: float) -> None:
        """Move the bar: the epoch's number and how much of it is done."""
        self._progress.update(self._task, completed=epoch - 1 + done)

    def ended(self, epoch: Epoch) -> None:
        """Print an epoch's line."""
        mark = "  best" if epoch.best else ""
        losses = f"train {epoch.train_loss:.5f}  validation {epoch.validation_loss:.5f}"
        areas = [value for name, value in epoch.validation_measures.items() if name.endswith(".auc")]
        losses += f"  area {sum(areas) / len(areas):.3f}" if areas else ""
        self._console.print(f"epoch {epoch.number:3d}  {losses}  {epoch.seconds:.1f} s{mark}", highlight=False)
