"""A replay of many symbols over the cores and machines of a Ray cluster, some symbols a task.

No disk is shared: a task is given the bundle and its symbols' bars, and gives back its predictions. A row's bits do not
depend on the rows beside it, so the table is, row for row, that of one process.
"""

import io
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import polars as pl
import ray

from core import barfile, disk
from core import bundle as bundles
from core.cluster import RETRIES, answer, joined
from daemon.config import Config
from daemon.feeds import feed as open_feed
from daemon.predicting.pipeline import Pipeline
from daemon.replaying.job import Report, replayed

_SYMBOLS: Final = 25
"""Of one task: small enough that a lost machine costs little, large enough that a task's start does not."""


def spread(config: Config, bars: Path, out: Path, on: str, from_ms: int | None, to_ms: int | None) -> Report:
    """Replay on a cluster: "local" for this machine's cores, else its address. The table is in the order of time.

    Raises: ConfigError: nobody answers there. As `replayed` raises.
    """
    begun = time.monotonic()
    with joined(on):
        folder = Path(config.bundle.path)
        bundle = ray.put({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()})
        records = Path(config.external.path).read_bytes() if config.external.path else b""
        tasks = [_replayed.remote(part, bundle, _of(bars, part), records, from_ms, to_ms) for part in _parts(config)]
        reports, tables = zip(*(answer(task, "a part of the replay") for task in tasks), strict=True)
    _write(tables, out)
    return _together(reports, out, time.monotonic() - begun)


def _parts(config: Config) -> Iterator[Config]:
    """The settings of each task: some symbols of one venue."""
    replace = msgspec.structs.replace
    for venue in config.feed.venues:
        for first in range(0, len(venue.symbols), _SYMBOLS):
            some = venue.symbols[first : first + _SYMBOLS]
            yield replace(config, feed=replace(config.feed, symbols=some, venue=venue.venue, more=()))


def _of(bars: Path, part: Config) -> bytes:
    """The bars of a task's symbols and of the markets beside them, as a file."""
    bundle = bundles.read(Path(part.bundle.path))
    markets = Pipeline(bundle.manifest, bundle.digest, publish_late=True, top=1).markets
    feed = open_feed(part.feed.venue)
    wanted = {feed.spelling(symbol) for symbol in (*part.feed.symbols, *markets)}
    table = barfile.scan(bars)
    written = table.select(pl.col("symbol").unique()).collect()["symbol"]
    named = [one for one in written if one is not None and feed.spelling(one) in wanted]
    packed = io.BytesIO()
    table.filter(pl.col("symbol").is_in(named)).collect(engine="streaming").write_parquet(packed)
    return packed.getvalue()


@ray.remote(max_retries=RETRIES)  # type: ignore[untyped-decorator]
def _replayed(
    part: Config, bundle: dict[str, bytes], bars: bytes, records: bytes, from_ms: int | None, to_ms: int | None
) -> tuple[Report, bytes]:
    """One task: its report and its table."""
    replace = msgspec.structs.replace
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bundle").mkdir()
        for file, content in bundle.items():
            (folder / "bundle" / file).write_bytes(content)
        (folder / "bars.parquet").write_bytes(bars)
        (folder / "records.parquet").write_bytes(records)
        here = replace(
            part,
            bundle=replace(part.bundle, path=str(folder / "bundle")),
            external=replace(part.external, path=str(folder / "records.parquet") if records else ""),
        )
        out = folder / "predictions.parquet"
        return replayed(here, folder / "bars.parquet", out, "", from_ms, to_ms), out.read_bytes()


def _write(tables: Sequence[bytes], out: Path) -> None:
    """All tables in one, in the order of time; it appears only when it is whole."""
    merged = pl.scan_parquet(io.BytesIO(tables[0]))
    for table in tables[1:]:
        merged = merged.merge_sorted(pl.scan_parquet(io.BytesIO(table)), key="ts")
    beside = out.absolute().with_name(f".{out.name}.writing")
    with disk.told(out):
        merged.sink_parquet(beside)
    beside.replace(out)


def _together(reports: Sequence[Report], out: Path, seconds: float) -> Report:
    fates: Counter[str] = Counter()
    for report in reports:
        fates.update(report.bars)
    return msgspec.structs.replace(
        reports[0],
        symbols=sum(report.symbols for report in reports),
        bars=dict(fates),
        predictions=sum(report.predictions for report in reports),
        seconds=seconds,
        out=str(out),
    )
