"""The tables of speed and capacity, made from what the other benchmarks left in benchmarks/results.

    gaze bench table [--write]

`gaze bench speed` leaves there what the README and the page about the burst tell, `capacity --keep` what is needed.
"""

import argparse
import json
from collections.abc import Callable
from typing import Any, Final

from benchmarks.capacity.page import needs
from benchmarks.house import HOUSE, RESULTS
from benchmarks.speed.clocked import MEANINGS
from benchmarks.speed.scale import cpu_us

PAGES = {
    "speed": HOUSE / "README.md",
    "burst": HOUSE / "docs" / "explanation" / "burst.md",
    "stages": HOUSE / "docs" / "explanation" / "burst.md",
    "alone": HOUSE / "docs" / "explanation" / "burst.md",
    "scale": HOUSE / "docs" / "explanation" / "burst.md",
    "capacity": HOUSE / "docs" / "how-to" / "monitoring.md",
    "needs": HOUSE / "docs" / "how-to" / "cluster.md",
}


def read(name: str) -> Any:
    """What a benchmark left; None where it has left nothing."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def where(report: dict[str, Any]) -> str:
    """On what, when, which commit."""
    return f"{report['machine']}, load {report['load_before'][0]} before, {report['date']}, {report['commit']}"


def rows() -> list[tuple[str, str, str]]:
    """What was measured, what came out, and on what."""
    told: list[tuple[str, str, str]] = []
    for one in read("burst") or []:
        graph = {"full": "whole windows", "stream": "windows run ahead"}.get(one.get("graph", "full"), "as is best")
        what = f"{one['symbols']:,} symbols close at once, `{one['family']}` on `{one['features']}`, {graph}"
        bare = f"{one['ratio']:.2f} x the bare model's {one['bare']['median_ms']:,.0f} ms"
        told.append((what, f"last prediction after {one['ms']['last']:,.0f} ms, {bare}", where(one)))
    if one := read("latency"):
        bar, ratio, loop = one["bar_ms"], one["ratio"], one["ratio_to_a_loop"]
        bare = f"{ratio['p50']:.1f} x and {ratio['p99']:.1f} x a bare row and a round trip to Redis that come as seldom"
        bare += f", {loop['p50']:.0f} x and {loop['p99']:.0f} x those in a loop"
        out = f"p50 {bar['p50']:.2f} ms, p99 {bar['p99']:.2f} ms: {bare}"
        told.append(("one bar alone, from the venue's word to the subscriber", out, where(one)))
    if many := read("scale"):
        each = ", ".join(f"{one['symbols']:,}: {cpu_us(one):.0f}" for one in many)
        told.append(
            ("microseconds of CPU time a symbol, all processes, by how many close at once", each, where(many[-1]))
        )
    if one := read("peers"):
        mine = one["last_ms"]["gaze, stream graph"]
        others = {name: last for name, last in one["last_ms"].items() if not name.startswith("gaze")}
        slower = sorted(others.items(), key=lambda other: other[1])
        each = ", ".join(f"{name} takes {last / mine:.1f} x as long" for name, last in slower)
        told.append((f"{one['symbols']:,} symbols in other pipelines", each, where(one)))
    return told


def page() -> str:
    """The table of speed as Markdown."""
    lines = ["| what | measured | on |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows())]) + "\n"


def bursts() -> str:
    """What the burst took, and the CPU time of each process, as Markdown."""
    lines = [
        "| symbols | graph | first | median | 99 % | last prediction | bare model | ratio | daemon's CPU | server's |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in read("burst") or []:
        moments = " | ".join(f"{one['ms'][moment]:,.0f} ms" for moment in ("first", "median", "p99", "last"))
        lines.append(
            f"| {one['symbols']:,} | {one['graph']} | {moments} | {one['bare']['median_ms']:,.0f} ms "
            f"| {one['ratio']:.1f} | {one['cpu_ms']['daemon']:,.0f} ms | {one['cpu_ms']['server']:,.0f} ms |"
        )
    return "\n".join([*lines, "", *(f"{where(one)}." for one in (read("burst") or [])[-1:])]) + "\n"


def stages() -> str:
    """Microseconds of the daemon's CPU time a symbol, as Markdown."""
    several = read("stages") or []
    lines = [
        f"| stage | {' | '.join(one['graph'] + ' graph' for one in several)} | |",
        f"|---|{'---|' * len(several)}---|",
    ]
    for stage, meaning in MEANINGS.items():
        lines.append(f"| {stage} | {' | '.join(format(one['us'][stage], '.1f') for one in several)} | {meaning} |")
    whole = " | ".join(f"**{sum(one['us'].values()):.0f}**" for one in several)
    accounted = ", ".join(f"{one['accounted']:.0%}" for one in several)
    lines += [f"| in all | {whole} | accounted for: {accounted} |", ""]
    return "\n".join([*lines, *(f"{one['symbols']:,} symbols, {where(one)}." for one in several[-1:])]) + "\n"


def alone() -> str:
    """What one bar took, and what a bare row, as Markdown."""
    one = read("latency")
    if one is None:
        return ""
    told = {
        "one bar, from the venue's word to the subscriber": "{bar_ms:.2f} ms",
        "a bare row and a round trip to Redis, as far apart": "{bare_ms:.2f} ms",
        "ratio": "{ratio:.1f}",
        "a bare row in a loop": "{row_in_a_loop_ms:.2f} ms",
        "a round trip in a loop": "{trip_in_a_loop_ms:.2f} ms",
        "ratio to the two": "{ratio_to_a_loop:.1f}",
    }
    lines = ["| | p50 | p99 |", "|---|---|---|"]
    for what, told_as in told.items():
        both = (
            told_as.format(
                **{name: found[at] for name, found in one.items() if isinstance(found, dict) and at in found}
            )
            for at in ("p50", "p99")
        )
        lines.append(f"| {what} | {' | '.join(both)} |")
    taken = ", ".join(f"{name} {taken_ms:.2f} ms" for name, taken_ms in one["stages_ms"].items())
    lines += ["", f"Its stages in the daemon, on average: {taken}. {one['bars']} bars {one['apart_ms']:g} ms apart;"]
    return "\n".join([*lines, f"{where(one)}."]) + "\n"


def scaled() -> str:
    """Bursts of more and more symbols, as Markdown."""
    lines = [
        "| symbols | last prediction | ratio | a symbol | CPU time a symbol, all processes | daemon's memory |",
        "|---|---|---|---|---|---|",
    ]
    several = read("scale") or []
    for one in several:
        last_ms = one["ms"]["last"]
        lines.append(
            f"| {one['symbols']:,} | {last_ms:,.0f} ms | {one['ratio']:.1f} | {last_ms * 1e3 / one['symbols']:,.0f} us "
            f"| {cpu_us(one):,.0f} us | {one['memory_mib']['daemon']:,.0f} MiB |"
        )
    return "\n".join([*lines, "", *(f"{where(one)}." for one in several[-1:])]) + "\n"


def capacity() -> str:
    """What so many symbols take, as Markdown."""
    lines = [
        "| symbols | graph | last prediction | CPU at a close, daemon + Redis | CPU between closes | daemon | Redis |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in read("burst") or []:
        cpu, memory = one["cpu_ms"], one["memory_mib"]
        lines.append(
            f"| {one['symbols']:,} | {one['graph']} | {one['ms']['last']:,.0f} ms "
            f"| {cpu['daemon']:,.0f} + {cpu['server']:,.0f} ms | {one['idle_cpu_ms']:,.0f} ms "
            f"| {memory['daemon']:,.0f} MiB | {memory['server']:,.0f} MiB |"
        )
    told = [where(one) for one in read("burst") or []][-1:]
    return "\n".join([*lines, "", f"{''.join(told)}."]) + "\n"


def needed() -> str:
    """What many symbols need, as Markdown."""
    return needs(read("capacity"))


TABLES: Final[dict[str, Callable[[], str]]] = {
    "speed": page,
    "burst": bursts,
    "stages": stages,
    "alone": alone,
    "scale": scaled,
    "capacity": capacity,
    "needs": needed,
}


def parts(name: str) -> tuple[str, str, str]:
    """The page of this table: what stands before it, the table, and what stands behind it."""
    before, rest = PAGES[name].read_text().split(f"<!-- {name} -->\n")
    table, behind = rest.split(f"<!-- /{name} -->\n")
    return before, table, behind


def put(name: str, text: str) -> None:
    """Write between the marks of this name in its page."""
    before, _, behind = parts(name)
    PAGES[name].write_text(f"{before}<!-- {name} -->\n{text}<!-- /{name} -->\n{behind}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into the README and the pages")
    asked = parser.parse_args()
    tables = {name: make() for name, make in TABLES.items()}
    print("\n".join(tables.values()), end="")
    if asked.write:
        for name, text in tables.items():
            put(name, text)


if __name__ == "__main__":
    main()
