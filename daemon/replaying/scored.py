"""What `gaze score` does: folds what a daemon published, and says how good it was, what drifted, who does better."""

import asyncio
import importlib.util
import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from core import bundle as bundles
from core import reference as references
from core.bundle import REFERENCE, Bundle
from core.drift.monitor import Moved
from core.errors import DataError
from core.sequential import ALPHA
from daemon.engines import open_engine
from daemon.engines.proof import prove
from daemon.models import located, promote
from daemon.replaying.recorded import connected
from daemon.stores.keys import Keys
from daemon.stores.record import said
from daemon.watching.duel import Duel, Duels
from daemon.watching.shifts import Who
from daemon.watching.watch import Watch

_A_READ: Final = 1_000
_READINGS: Final = 3
"""So often the stream is read again, for what comes late in it."""
_ENOUGH: Final = 1 / ALPHA
_VERDICTS: Final = {1: "better than nothing", 0: "nobody can tell", -1: "lately worse than nothing"}


class Measure(msgspec.Struct, frozen=True):
    """A measure over all closes, with its interval where it has one: of every h-th close, true whenever one looks."""

    output: str
    measure: str
    mean: float
    low: float | None = None
    high: float | None = None


class Change(msgspec.Struct, frozen=True):
    """When a statistic that drifted changed: the opening of the first bar after it, Unix milliseconds."""

    name: str
    at_ms: tuple[int, ...]


class Scored(msgspec.Struct, frozen=True):
    """One bundle."""

    model: str
    version: str
    digest: str
    closes: int
    measures: tuple[Measure, ...]
    verdicts: dict[str, str]
    drift: dict[str, float]
    alarms: int
    moved: tuple[Moved, ...]
    changes: tuple[Change, ...]
    unwatched: str = ""
    """Why drift is not watched."""
    whom: dict[str, Who] = {}
    """Of each statistic that moved, which symbols it is about."""
    unlike: str = ""
    """Where observations are of many more or fewer predictions than those of the reference."""


class Report(msgspec.Struct, frozen=True):
    """What there is to say."""

    champion: Scored
    challenger: Scored | None = None
    duels: tuple[Duel, ...] = ()
    refused: tuple[str, ...] = ()
    """Why the challenger is not promoted."""
    promoted: str = ""


def score(
    champion: Path, where: str, shard: str, challenger: Path | None, into: Path | None, closed: Sequence[str] = ()
) -> Report:
    """Score what was published by a bundle; beside a challenger, and promote it in the model folder `into`.

    `closed`: days on which the venue is closed, as the daemon was told. Raises: BundleError: no bundle. UsageError,
    StoreError: no store. DataError: nothing was published by it.
    """
    of_champion = bundles.read(located(champion)).closed_on(closed)
    watch = asyncio.run(_folded(of_champion, where, Keys(of_champion.manifest.name, shard), shadow=False))
    scored = _scored(of_champion, watch)
    if challenger is None:
        return Report(scored)
    of_challenger = bundles.read(challenger).closed_on(closed)
    keys = Keys(of_champion.manifest.name, shard)
    other = asyncio.run(_folded(of_challenger, where, keys, shadow=True))
    duels = Duels().take(watch, other)
    report = Report(scored, _scored(of_challenger, other), duels)
    if into is None:
        return report
    refused = tuple(_against(of_challenger, other, duels))
    if not refused:
        promote(into, challenger.name)
    return msgspec.structs.replace(report, refused=refused, promoted="" if refused else challenger.name)


async def _folded(bundle: Bundle, where: str, keys: Keys, *, shadow: bool) -> Watch:
    watch = Watch(bundle.manifest, references.read(bundle.arrays(REFERENCE)))
    if watch.drift is not None:
        watch.drift.keep = True
    stream = keys.shadow(bundle.digest) if shadow else keys.stream
    async with AsyncExitStack() as stack:
        client = await connected(where, keys.shard, stack)
        await _fold(client, stream, bundle.digest, watch)
        for _ in range(_READINGS):
            if not watch.late:
                break
            watch = watch.again(same=True)
            await _fold(client, stream, bundle.digest, watch)
    if not watch.closes:
        raise DataError(
            f"{stream} has no settled close of bundle {bundle.digest}; try: wait for the next bar, or another bundle"
        )
    return watch


async def _fold(client: Any, stream: str, digest: str, watch: Watch) -> None:
    after = "-"
    while entries := await client.xrange(stream, min=after, count=_A_READ):
        watch.take(said([fields.get(b"message", b"") for _, fields in entries], digest))
        after = f"({entries[-1][0].decode()}"


def _scored(bundle: Bundle, watch: Watch) -> Scored:
    manifest, drift = bundle.manifest, watch.drift
    measures = []
    for output, record in watch.score.records.items():
        for name, average in record.averages.items():
            low, high = record.means[name].interval if name in record.means else (None, None)
            measures.append(Measure(output, name, average.mean, low, high))
    return Scored(
        manifest.name,
        manifest.version,
        bundle.digest,
        watch.closes,
        tuple(measures),
        {name: _VERDICTS[record.verdict] for name, record in watch.score.records.items()},
        drift.monitor.ratios() if drift else {},
        drift.monitor.alarms if drift else 0,
        drift.moved() if drift else (),
        _changes(watch),
        watch.why_not,
        {one.name: who for one in drift.moved() if (who := drift.shifts.who(one.name))} if drift else {},
        drift.unlike if drift else "",
    )


def _changes(watch: Watch) -> tuple[Change, ...]:
    """When what moved has changed, by ruptures (Truong and others 2020), where it is installed."""
    drift = watch.drift
    if drift is None or not drift.moved() or not importlib.util.find_spec("ruptures"):
        return ()
    import ruptures  # noqa: PLC0415 - an extra, and slow to load

    names = drift.monitor.reference.names.names
    values_CK = np.array([values_K for _, values_K in drift.history])
    found = []
    for one in drift.moved():
        if one.name not in names:
            continue
        values_C = values_CK[:, names.index(one.name)]
        ranks_C = np.argsort(np.argsort(values_C)) / len(values_C)
        ends = ruptures.KernelCPD(kernel="linear", min_size=12).fit(ranks_C).predict(pen=math.log(len(ranks_C)))
        found.append(Change(one.name, tuple(drift.history[end][0] for end in ends[:-1])))
    return tuple(found)


def _against(bundle: Bundle, watch: Watch, duels: tuple[Duel, ...]) -> list[str]:
    """What keeps a challenger from being promoted: parity, baselines, drift, or no evidence."""
    engine = open_engine("auto", bundle)
    prove(engine, bundle)
    unproven = [duel for duel in duels if duel.evidence < _ENOUGH]
    # Better in one output is enough, where it is worse than nothing in none.
    reasons = []
    if len(unproven) == len(duels):
        reasons = [f"{duel.output}: evidence {duel.evidence:.3g} of {_ENOUGH:g}" for duel in unproven]
    reasons += [f"{name}: {_VERDICTS[-1]}" for name, one in watch.score.records.items() if one.verdict < 0]
    if watch.drift is None:
        reasons.append(watch.why_not)
    elif watch.drift.moved():
        reasons.append("it has drifted: " + ", ".join(one.name for one in watch.drift.moved()))
    return reasons
