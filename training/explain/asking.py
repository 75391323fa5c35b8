"""What is asked of an explanation: of which model, on which bars, about which single prediction."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from core import barfile
from core.barfile import BarFile
from core.errors import DataError, UsageError
from core.prediction import Message
from training.explain import cases, subject
from training.explain.explaining import Asked
from training.explain.subject import Subject
from training.explain.untrained import untrained
from training.many import several


class Question(msgspec.Struct, frozen=True):
    """All of it. `seeds`: other runs of the recipe."""

    subject: Subject
    bars: Path | BarFile
    asked: Asked | None = None
    seeds: tuple[Subject, ...] = ()

    def reading(self, records: str) -> "Question":
        """The same, where all read these external records; empty: those of training."""
        seeds = tuple(one.reading(records) for one in self.seeds)
        return msgspec.structs.replace(self, subject=self.subject.reading(records), seeds=seeds)


def refuse(subjects: Sequence[Path], symbol: str | None, at: str | None, prediction: str, random: str) -> None:
    """Refuse what cannot be asked together.

    Raises: UsageError: half of a single prediction, two ways to name one, or a trained and an untrained model.
    """
    if (symbol is None) != (at is None):
        raise UsageError("a single prediction needs both its symbol and its time; try: --symbol BTCUSDT --at TIME")
    if prediction and (symbol or random):
        raise UsageError("--id names the prediction and its model; try: without --symbol, --at and --random")
    if random and subjects:
        raise UsageError(f"--random {random} explains an untrained model, not {subjects[0]}; try: one of the two")


def of(subjects: Sequence[Path], bars: Path | None, symbol: str | None, at: str | None, random: str) -> Question:
    """A run, a bundle, several runs or an untrained family, on a file of bars.

    Raises: UsageError: no model or no bars are named. DataError: they cannot be read.
    """
    asked = Asked(symbol, cases.parse_time(at)) if symbol is not None and at is not None else None
    if bars is None:
        raise UsageError("no bars are named; try: --bars bars.parquet, or --id ID for a prediction of a daemon")
    if random:
        file = barfile.read(bars)
        return Question(untrained(random, file), file, asked)
    if not subjects:
        raise UsageError("no model is named; try: gaze explain RUN --bars FILE --out DIR, or --random hourly_lstm")
    first, *others = [subject.read(folder) for one in subjects for folder in _runs(one)]
    return Question(first, bars, asked, tuple(others))


def recorded(
    message: Message, kept: BarFile, bundle: Path | None, subjects: Sequence[Path], bars: Path | None
) -> Question:
    """A prediction that a daemon made, on the bars that its store still has or on those of a file.

    Raises: UsageError: no model is named. DataError: the bars lack its window.
    """
    if not subjects and bundle is None:
        raise UsageError("no model is named; try: gaze explain BUNDLE --id ID, or --config with the daemon's settings")
    known = subject.read(subjects[0] if subjects else bundle)  # type: ignore[arg-type]
    told = message.prediction
    if told.interval != known.recipe.data.interval:
        raise DataError(
            f"prediction {told.id} is of {told.interval} bars, {known.folder} of others; try: another model"
        )
    return Question(known, bars or kept, Asked(told.symbol, told.opened_at_ms, message))


def _runs(folder: Path) -> list[Path]:
    """The folder, or the runs in it that differ by their seed alone: those of the last fold."""
    if not (folder / several.FILE).is_file():
        return [folder]
    names = msgspec.json.decode((folder / several.FILE).read_bytes(), type=several.Several).runs
    last = names[-1].rpartition("seed_")[0]
    return [folder / name for name in names if name.rpartition("seed_")[0] == last and "seed_" in name] or [
        folder / names[-1]
    ]
