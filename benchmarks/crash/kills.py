"""The daemon is killed over and over; its record is then compared with that of a run which nothing disturbed.

    gaze bench crash [--kills 200] [--store embedded|external|cluster] [--bars FILE]
                     [--symbols 200] [--keep DIR] [--write]

Both runs hear the same bars of a stand-in exchange, which waits for its subscriber. The disturbed one hears them with
sockets that break, repeats, swaps and silent gaps; its daemon is killed at points drawn by chance, its Redis killed
and paused. Compared are id and bytes of every `prediction` at its latest revision: none may be lost, doubled or
different, and nothing that a reader of the stream has seen may be gone from it. At the end the last daemon's drift,
scores, margins and running profiles must be those of the undisturbed record, folded in the order of time.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec

from benchmarks.crash.blows import plan
from benchmarks.crash.comparison import compare
from benchmarks.crash.report import Report, write
from benchmarks.crash.scene import Scene
from benchmarks.crash.stores import KINDS
from benchmarks.house import GAZE, conditions


async def measure(folder: Path, kills: int, seed: int, bars: str, store: str) -> Report:
    """Play both runs in a folder with `bundle` and `bars.parquet`, and keep both records there."""
    begun = time.monotonic()
    scene = Scene(folder)
    undisturbed = await scene.undisturbed()
    blows = plan(kills, scene.expected, seed)
    played = await scene.disturbed(blows, undisturbed, store, seed)
    for name, messages in (("undisturbed", undisturbed), ("disturbed", played.record)):
        (folder / f"{name}.jsonl").write_bytes(b"".join(message + b"\n" for message in messages))
    found = compare(undisturbed, played.seen, played.record, scene.until_ms, played.unlike)
    struck = Counter(blow.kind for blow in blows)
    seconds = time.monotonic() - begun
    return Report(store, played.server, bars, len(scene.symbols), dict(struck), found, seconds, **conditions())


def make_scene(folder: Path, bars: Path | None, symbols: int, days: int) -> None:
    """A small model in `bundle`, and as `bars.parquet` the last days of a file of bars, or of made-up ones."""
    import polars as pl  # noqa: PLC0415 - only where a scene is made

    def gaze(*arguments: str) -> None:
        subprocess.run([*GAZE, *arguments], cwd=folder, check=True, stdout=sys.stderr)

    if bars is None:
        gaze("bars", "simulate", "--out", "all.parquet", "--symbols", str(symbols))
    else:
        shutil.copyfile(bars, folder / "all.parquet")
    small = ("model.options.hidden=16", "optimiser.epochs=1", "data.features=btc_3", "data.symbols=[]")
    changes = [word for change in small for word in ("--set", change)]
    gaze("train", "bitcoin_hourly", "--bars", "all.parquet", "--out", "run", *changes)
    gaze("export", "run", "--out", "bundle", "--name", "crash")
    table = pl.read_parquet(folder / "all.parquet")
    recent = table.filter(pl.col("ts") > pl.col("ts").max() - pl.duration(days=days))
    names = recent["symbol"].unique().sort().to_list()
    # Where there are too few symbols, the same bars again under other names.
    asked = pl.DataFrame(
        {
            "symbol": [names[number % len(names)] for number in range(symbols)],
            "name": [names[number % len(names)] + "Z" * (number // len(names)) for number in range(symbols)],
        }
    )
    copies = asked.join(recent, on="symbol").drop("symbol").rename({"name": "symbol"})
    copies.select(recent.columns).sort("symbol", "ts").write_parquet(folder / "bars.parquet")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--kills", type=int, default=200, help="how often the daemon is killed; other blows come on top"
    )
    parser.add_argument("--store", choices=KINDS, default="embedded")
    parser.add_argument("--bars", type=Path, help="Parquet file of real bars; made up without it")
    parser.add_argument("--symbols", type=int, default=200, help="copies under other names where the file has fewer")
    parser.add_argument("--days", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep both streams, logs and states in this new folder")
    parser.add_argument("--write", action="store_true", help="put the result into docs/explanation/crash.md")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="gaze-crash-") as temporary:
        folder = (asked.keep or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        make_scene(folder, asked.bars, asked.symbols, asked.days)
        told = asked.bars.name if asked.bars else "simulated"
        report = asyncio.run(measure(folder, asked.kills, asked.seed, told, asked.store))
    if asked.write:
        write(report)
    print(json.dumps(msgspec.to_builtins(report), indent=2) if asked.json else report.table())
    if not report.counts.clean:
        sys.exit(1)


if __name__ == "__main__":
    main()
