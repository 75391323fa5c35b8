"""The same trainings over the cores and machines of a Ray cluster.

Each training is a task of its own that needs no disk in common: it is given the bars and its recipe, and gives back its
run folder, or the loss of a sweep's trial. With one torch thread each, what it gives is, to the bit, what one process
would have written. Ray gives the tasks of a lost machine to another; what was written stays, so that the same command
goes on with what is missing.
"""

import io
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
import ray

import core
from core.cluster import RETRIES, answer, joined
from core.errors import ConfigError
from training.job import Job
from training.many.trial import Outcome, attempt
from training.recipe import Recipe
from training.runs import run
from training.runs.run import Run
from training.tables import fit

Name = TypeVar("Name")


class Cluster:
    """A cluster while it is used: one made here of this machine's cores for "local", else one that is joined.

    Raises: ConfigError: nobody answers at the address.
    """

    def __init__(self, address: str) -> None:
        self._joined = joined(address)

    def __enter__(self) -> Self:
        self._joined.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._joined.__exit__(kind, error, trace)

    def train(self, planned: dict[str, Recipe], bars: Path, out: Path) -> Iterator[tuple[str, Run]]:
        """Train all that is planned and write each run folder as it comes, in whatever order they end.

        Raises: GazeError: a training could not be done, as it would have said here.
        """
        files = _files(planned, bars)
        waiting = {
            _train.options(num_cpus=told.optimiser.threads or 1).remote(told.toml(), bars.name, files): name
            for name, told in planned.items()
        }
        for name, packed in _ended(waiting):
            unpack(packed, out / name)
            yield name, run.load(out / name)

    def attempt(self, planned: dict[int, Recipe], bars: Path) -> Iterator[tuple[int, Outcome]]:
        """Train the trials of a sweep and give each outcome as it comes, in whatever order they end."""
        files = _files(planned, bars)
        waiting = {
            _attempt.options(num_cpus=told.optimiser.threads or 1).remote(told.toml(), bars.name, files): number
            for number, told in planned.items()
        }
        for number, outcome in _ended(waiting):
            yield number, msgspec.convert(outcome, Outcome)


def _files(planned: dict[Name, Recipe], bars: Path) -> Any:
    """The bars, and external records, where every task finds them."""
    records = {Path(told.data.records) for told in planned.values() if told.data.records}
    return ray.put({path.name: path.read_bytes() for path in [bars, *sorted(records)]})


def _ended(waiting: dict[Any, Name]) -> Iterator[tuple[Name, Any]]:
    """What each task gives, by its name, as they end.

    Raises: GazeError: a training could not be done, as it would have said here.
    """
    while waiting:
        [ended], _ = ray.wait(list(waiting), num_returns=1)
        name = waiting.pop(ended)
        version, found = answer(ended, str(name))
        if version != core.__version__:
            raise ConfigError(f"the cluster has gazed {version}, here is {core.__version__}; try: the same on both")
        yield name, found


@ray.remote(max_retries=RETRIES)  # type: ignore[untyped-decorator]
def _train(told: str, bars: str, files: dict[str, bytes]) -> tuple[str, bytes]:
    """One training in a folder of its own, which comes back packed."""
    with _laid_out(files) as here:
        recipe = fit(Recipe, tomllib.loads(told), "the recipe")
        job = Job(_beside(recipe, here), here / bars)
        job.recipe = recipe
        job.run(here / "run", lambda *_: None, lambda _: None)
        return core.__version__, pack(here / "run")


@ray.remote(max_retries=RETRIES)  # type: ignore[untyped-decorator]
def _attempt(told: str, bars: str, files: dict[str, bytes]) -> tuple[str, dict[str, Any]]:
    """One trial of a sweep."""
    with _laid_out(files) as here:
        outcome = attempt(_beside(fit(Recipe, tomllib.loads(told), "the recipe"), here), here / bars)
        return core.__version__, msgspec.structs.asdict(outcome)


@contextmanager
def _laid_out(files: dict[str, bytes]) -> Iterator[Path]:
    """A folder with these files, while it is used."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        yield Path(folder)


def _beside(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with its records taken from a folder."""
    if not recipe.data.records:
        return recipe
    data = msgspec.structs.replace(recipe.data, records=str(folder / Path(recipe.data.records).name))
    return msgspec.structs.replace(recipe, data=data)


def pack(folder: Path) -> bytes:
    """A folder's files in one piece."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)
    return packed.getvalue()


def unpack(packed: bytes, folder: Path) -> None:
    """Write a packed folder; it is there whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as beside:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(beside, filter="data")
        whole = Path(beside) / "whole"
        whole.mkdir()
        for path in [path for path in Path(beside).iterdir() if path != whole]:
            path.rename(whole / path.name)
        whole.rename(folder)
