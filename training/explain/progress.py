"""The bar that shows how far an explanation is: drawn on a terminal, silent when piped."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class StageBar:
    """A context manager; `stage` begins a line and gives what moves it, from 0 to 1. `steps`: how many are to come."""

    def __init__(self, console: Console, steps: int = 6) -> None:
        self._steps, self._begun = steps, 0
        columns = (TextColumn("{task.description:28s}"), BarColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._progress.stop()

    def stage(self, name: str) -> Callable[[float], None]:
        """Begin a line."""
        self._begun += 1
        task = self._progress.add_task(f"step {self._begun}/{max(self._steps, self._begun)} {name}", total=1.0)
        return lambda done: self._progress.update(task, completed=done)
