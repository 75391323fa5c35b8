"""The command `gaze score`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.replaying.scored import Report, Scored

_STATE = Path("state")


def score(
    *,
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle that serves, or its model folder.")],
    redis: Annotated[str, typer.Option(metavar="URL", help="The daemon's Redis: its [store] url.")] = "",
    config: Annotated[Path | None, typer.Option(metavar="TOML", help="The daemon's settings say where it is.")] = None,
    embedded: Annotated[Path, typer.Option(metavar="DIR", help="The daemon's own store: [store] directory.")] = _STATE,
    shard: Annotated[str, typer.Option(help="[store] shard of the daemon.")] = "0",
    challenger: Annotated[
        Path | None, typer.Option(metavar="BUNDLE", help="One of [bundle] challengers, to compare with.")
    ] = None,
    promote: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Model folder in which to let the challenger serve.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score what a daemon published against what came to be, and say what has drifted and since when.

    With --challenger the two are compared on the same closes; --promote lets it serve only past a gate: its golden
    outputs on this machine, its baselines, its drift, and evidence beyond chance. Status 1 where it is refused.

    Example: gaze score bundles/demo --challenger bundles/next --promote models/demo
    """
    import os  # noqa: PLC0415 - help is shown without it

    import msgspec  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    from core.errors import UsageError  # noqa: PLC0415
    from daemon.config import read  # noqa: PLC0415
    from daemon.replaying.scored import score as scored  # noqa: PLC0415

    if promote and not challenger:
        raise UsageError("--promote needs the --challenger to promote; try: gaze score BUNDLE --challenger BUNDLE")
    closed: tuple[str, ...] = ()
    if config:
        settings = read(config, environment=os.environ)
        redis, embedded, shard = settings.store.url, Path(settings.store.directory), settings.store.shard
        closed = settings.feed.closed
    report = scored(bundle, redis or str(embedded), shard, challenger, promote, closed)
    if as_json:
        print(msgspec.json.encode(report).decode())
    else:
        Console(highlight=False, markup=False, soft_wrap=True).print(*_lines(report), sep="\n")
    if report.refused:
        raise typer.Exit(1)


def _lines(report: "Report") -> "Iterator[str]":
    yield from _of(report.champion)
    if report.challenger:
        yield ""
        yield from _of(report.challenger)
    for duel in report.duels:
        yield (
            f"challenger on {duel.output}: {duel.mean_difference:+.2%} less loss over {duel.closes} closes, "
            f"evidence {duel.evidence:.3g} from {duel.tested} of them (20 is beyond chance)"
        )
    for reason in report.refused:
        yield f"not promoted: {reason}"
    if report.promoted:
        yield f"promoted: version {report.promoted} serves from the daemon's next look"


def _of(one: "Scored") -> "Iterator[str]":
    from datetime import UTC, datetime  # noqa: PLC0415 - as above

    yield f"{one.model} {one.version} ({one.digest}), {one.closes} closes"
    for output, verdict in one.verdicts.items():
        yield f"{output}: {verdict}"
        for told in one.measures:
            if told.output == output:
                interval = "" if told.low is None else f"  95 % {told.low:.4f} to {told.high:.4f}"
                yield f"  {told.measure:26} {told.mean:9.4f}{interval}"
    if one.unwatched:
        yield f"drift: not watched, {one.unwatched}"
        return
    ratios = ", ".join(f"{group} {ratio:.2f}" for group, ratio in one.drift.items())
    yield f"drift: {ratios} of its limit, {one.alarms} alarms"
    if one.unlike:
        yield f"  limits: {one.unlike}"
    since = {change.name: change.at_ms for change in one.changes}
    for moved in one.moved:
        where = f", most from {moved.bars_ago[0]} to {moved.bars_ago[1]} bars ago" if moved.bars_ago else ""
        who = one.whom.get(moved.name)
        whom = f", most {', '.join(who.symbols)}; {who.share:.0%} of symbols" if who else ""
        days = [f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%dT%H:%MZ}" for at in since.get(moved.name, ())]
        changed = f", changed {', '.join(days[-3:])}" if days else ""
        yield f"  {moved.name} ({moved.distance}): {moved.ratio:.2f}{where}{whom}{changed}"
