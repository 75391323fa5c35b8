"""What so many symbols at one-minute bars need: a model made of what one process takes, held against several.

    gaze bench capacity [--sizes 1000,2000,3000] [--symbols 5000] [--processes 1,2,4] [--bars 4] [--updates 30]
                        [--needs 100000] [--json] [--keep]

One process at each of the sizes, and two at the middle one, give the model: so much a process, so much a symbol. Then
`--symbols` in 1, 2 and 4 processes that share them out (store.shards) over one server, with one venue and one
subscriber, show by how much it errs; and one more run, told of every bar `--updates` times before it closes, gives what
an open update costs. CPU seconds are the kernel's, each kind of process apart, and hang little on what else the machine
does. Last, what `--needs` symbols need. The venue's minute takes ten seconds; idling is measured apart, between bars.
"""

import argparse
import asyncio
import os
import sys
from typing import Any, Final

import msgspec

from benchmarks.capacity.model import QUANTITIES, Model, Need, Use, derive, errors, need
from benchmarks.capacity.shards import measure
from benchmarks.house import conditions
from benchmarks.running.processes import told
from benchmarks.speed import scene as scenes
from benchmarks.speed.burst import KEPT
from benchmarks.speed.play import venue_speed

ENOUGH: Final = 0.9
WITHIN_S: Final = (1.0, 2.0, 5.0, 15.0)


def needs(model: Model, symbols: int, updates: int) -> list[Need]:
    """What so many need, by how soon the last prediction is to be out."""
    found = [need(model, symbols, within_s, updates) for within_s in WITHIN_S]
    return [one for one in found if one is not None]


def report(asked: argparse.Namespace) -> dict[str, Any]:
    """All runs, the model, what it is off by, and what is needed."""
    load = os.getloadavg()
    bundle = scenes.make_bundle(KEPT, asked.family, asked.features)
    sizes, processes = _numbers(asked.sizes), _numbers(asked.processes)

    def run(symbols: int, count: int, updates: int = 0) -> Use:
        print(f"{symbols:,} symbols in {count} processes, {updates} updates a bar", file=sys.stderr)
        speed = asked.speed or venue_speed(symbols)
        use = asyncio.run(measure(bundle, symbols, count, asked.bars, updates, speed, asked.graph))
        if use.looked < ENOUGH:
            print(f"bars left {use.looked:.0%} of the time to look at idling; try: --speed 1.5", file=sys.stderr)
        return use

    alone = [run(size, 1) for size in sizes]
    pair = run(sizes[len(sizes) // 2], 2)
    spoken = run(sizes[len(sizes) // 2], 1, asked.updates)
    model = derive([*alone, pair], spoken)
    checked = [run(asked.symbols, count) for count in processes]
    return {
        "benchmark": "capacity",
        **conditions(load),
        "family": asked.family,
        "features": asked.features,
        "graph": asked.graph,
        "updates": asked.updates,
        "model": msgspec.to_builtins(model),
        "alone": msgspec.to_builtins(alone),
        "pair": msgspec.to_builtins(pair),
        "spoken": msgspec.to_builtins(spoken),
        "checked": [msgspec.to_builtins(use) | {"error": errors(model, use)} for use in checked],
        "needs": msgspec.to_builtins(needs(model, asked.needs, asked.updates)),
    }


def show(found: dict[str, Any]) -> None:
    """The report as a person reads it."""
    print(f"{found['family']} on {found['features']}, {found['graph']} graph, one-minute bars")
    print(f"{found['machine']}, load {found['load_before']}, {found['date']}, commit {found['commit']}\n")
    lines = found["model"]["lines"]
    print(f"{'always':>12} {'a process':>12} {'1,000 symbols':>14}")
    for name, what in QUANTITIES.items():
        line = lines[name]
        print(f"{line['always']:>12.4g} {line['a_process']:>12.4g} {line['a_symbol'] * 1e3:>14.4g}  {what}")
    print(f"{found['model']['update_s'] * 1e6:>40.2f}  CPU us of an open update")
    print(f"{found['model']['stream_bytes']:>40,.0f}  bytes of a message in the stream\n")
    for use in found["checked"]:
        print(f"{use['symbols']:,} symbols in {use['processes']} processes, last after {use['last_ms']:,.0f} ms")
        for name, measured in use["took"].items():
            print(f"{measured:>12.4g} measured, the model is {use['error'][name]:+7.1%} off  {QUANTITIES[name]}")
    print()
    for one in found["needs"]:
        print(
            f"{one['symbols']:,} symbols, out within {one['within_s']:g} s: {one['shards']} shards of a core, "
            f"{one['primaries']} primaries of Redis; over a minute {one['daemon_cores_minute']:.1f} and "
            f"{one['redis_cores_minute']:.2f} cores are busy; {one['daemon_mib'] / 1024:.1f} and "
            f"{one['redis_mib'] / 1024:.1f} GiB, and the streams"
        )


def _numbers(said: str) -> list[int]:
    return [int(one) for one in said.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,2000,3000", help="of one process, for the model")
    parser.add_argument("--symbols", type=int, default=5_000, help="of each check")
    parser.add_argument("--processes", default="1,2,4", help="of each check")
    parser.add_argument("--bars", type=int, default=4, help="after the first, which warms everything up")
    parser.add_argument("--updates", type=int, default=30, help="of a bar before it closes; Binance has up to 30")
    parser.add_argument("--needs", type=int, default=100_000)
    parser.add_argument("--family", default="hourly_lstm")
    parser.add_argument("--features", default="stock_41")
    parser.add_argument("--graph", default="auto", choices=("auto", "full", "stream"))
    parser.add_argument("--speed", type=float, help="venue seconds a second")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results/capacity.json")
    asked = parser.parse_args()
    found = report(asked)
    looked = min(use["looked"] for use in (*found["alone"], found["pair"], found["spoken"], *found["checked"]))
    if asked.keep and looked < ENOUGH:
        show(found)
        sys.exit("not kept: bars ran into each other; try: --speed 1.5, or a machine with nothing else to do")
    if not told(found, "capacity", as_json=asked.json, keep=asked.keep):
        show(found)


if __name__ == "__main__":
    main()
