"""What `gaze replay` does: opens bundle, engine and bars, runs, writes or compares, and reports."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from core import bundle as bundles
from core.bundle import Manifest
from core.errors import DataError
from core.external import Records
from core.windows import Fate
from daemon.config import Config
from daemon.engines import open_engine
from daemon.engines.proof import prove
from daemon.feeds import feed as open_feed
from daemon.listening.spelling import spelled, spelled_as, together
from daemon.predicting.known import external, read_records
from daemon.predicting.pipeline import Pipeline, with_markets
from daemon.replaying.barstream import BarStream
from daemon.replaying.recorded import Comparison, Differences, read
from daemon.replaying.replay import Replay, Span
from daemon.replaying.table import PredictionTable
from daemon.stores.keys import Keys


class Report(msgspec.Struct, frozen=True):
    """What a replay did."""

    model: str
    digest: str
    engine: str
    symbols: int
    bars: dict[str, int]
    predictions: int
    seconds: float
    out: str | None = None
    differences: Differences | None = None

    def spoken(self) -> str:
        """For people."""
        rate = self.predictions / max(self.seconds, 1e-9)
        said = f"{self.predictions:,} predictions of {self.symbols} symbols by {self.model}"
        lines = [
            f"{said} on {self.engine} in {self.seconds:.1f} s ({rate:,.0f} a second)",
            "bars: " + ", ".join(f"{count:,} {fate}" for fate, count in sorted(self.bars.items())),
        ]
        if self.out:
            lines.append(f"written to {self.out}")
        if self.differences:
            found = self.differences
            lines.append(
                f"{found.compared:,} compared, {found.different:,} different, {found.only_recorded:,} only recorded, "
                f"{found.only_replayed:,} only replayed"
            )
            lines += [
                f"  {kind}: {symbol} at {opened_at_ms}"
                for kind, bars in found.examples.items()
                for symbol, opened_at_ms in bars
            ]
        return "\n".join(lines)


def replayed(
    config: Config, bars: Path, out: Path | None, compare: str, from_ms: int | None, to_ms: int | None
) -> Report:
    """Run the model of these settings over a file of bars. `compare`: a Redis URL or a store's folder, or nothing.

    Raises: BundleError, EngineError: the model cannot run here. DataError: the file has no window of these bars, or
    nothing was recorded. StoreError, UsageError: the recorded stream cannot be had.
    """
    bundle = bundles.read(Path(config.bundle.path)).closed_on(config.feed.closed)
    manifest, interval = bundle.manifest, bundle.manifest.grid
    recorded = None
    if compare:
        recorded = asyncio.run(read(compare, Keys(manifest.name, config.store.shard), bundle.digest))
        first_ms, end_ms = recorded.span()
        from_ms = first_ms if from_ms is None else from_ms
        to_ms = end_ms if to_ms is None else to_ms
    fill = config.publish.broken == "fill"
    feeds = [open_feed(one.venue) for one in config.feed.venues]
    # As in the daemon, symbols are those of the venues, however settings and file write them.
    symbols = together([spelled(feed, one.symbols) for feed, one in zip(feeds, config.feed.venues, strict=True)])
    any_spelling = partial(spelled_as, feeds, set(symbols))
    known = _known(config, manifest, any_spelling)
    pipeline = Pipeline(
        manifest,
        bundle.digest,
        publish_late=True,
        top=config.publish.top,
        fill=fill,
        records=known,
        gone=config.feed.gone,
    )
    stream = BarStream(bars, interval, with_markets(symbols, pipeline.markets), any_spelling)
    span = Span(
        symbols,
        stream.first_ms if from_ms is None else from_ms,
        stream.end_ms if to_ms is None else to_ms,
    )
    comparison = Comparison(recorded, span, every_bar=config.publish.late == "publish") if recorded else None
    engine = open_engine(config.bundle.engine, bundle)
    prove(engine, bundle)
    replay = Replay(pipeline, engine, interval, config.feed.venue)
    table: AbstractContextManager[PredictionTable | None] = PredictionTable(out, manifest) if out else nullcontext()
    begun = time.monotonic()
    count = 0
    with table as rows:
        for predictions in replay.run(stream, span):
            count += len(predictions)
            if rows:
                rows.add(predictions)
            if comparison:
                comparison.take(predictions)
        if not count:
            raise _nothing(bars, stream, span, replay.fates, pipeline.bars_needed)
    return Report(
        model=f"{manifest.name} {manifest.version}",
        digest=bundle.digest,
        engine=f"{engine.name} on {engine.device}",
        symbols=len(span.symbols),
        bars={fate.value: number for fate, number in replay.fates.items()},
        predictions=count,
        seconds=time.monotonic() - begun,
        out=str(out) if out else None,
        differences=comparison.differences() if comparison else None,
    )


def _known(config: Config, manifest: Manifest, spelling: Callable[[str], str]) -> Callable[[], Records] | None:
    """The external records as the file has them now, for a model that reads any."""
    wanted = external(manifest.inputs)
    if not wanted:
        return None
    records = read_records(config.external.path, wanted, spelling)
    return lambda: records


def _nothing(bars: Path, stream: BarStream, span: Span, fates: Counter[Fate], needed: int) -> DataError:
    if span.from_ms >= stream.end_ms:
        end = datetime.fromtimestamp(stream.end_ms / 1_000, UTC)
        return DataError(
            f"{bars} ends at {end:%Y-%m-%dT%H:%M}, before the first bar that is to be predicted. try: an earlier --from"
        )
    were = ", ".join(f"{number:,} {fate}" for fate, number in fates.items()) or "none"
    return DataError(
        f"{bars} has no {needed} unbroken bars of any symbol before the end of what is to be predicted; bars it "
        f"had: {were}. try: more bars, or a later --to"
    )
