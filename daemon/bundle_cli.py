"""The commands `gaze bundle show` and `gaze bundle verify`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from core.bundle import Artefact, Bundle, Manifest, Score
    from daemon.engines import OpenEngine
    from daemon.engines.proof import Proof, StreamProof

app = typer.Typer(no_args_is_help=True, help="Look into a bundle, and prove it on this machine.")

Folder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle folder, as gaze export writes it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def show(folder: Folder, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Show what a bundle is, what it needs, what it was trained on and how it scored.

    Example: gaze bundle show bundles/demo
    """
    import msgspec  # noqa: PLC0415 - a help text needs none of these
    from rich.console import Console  # noqa: PLC0415

    from core import bundle as bundles  # noqa: PLC0415

    bundle = bundles.read(folder)
    if as_json:
        told = {"digest": bundle.digest, "manifest": bundle.manifest}
        print(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
        return
    console = Console()
    console.print(_grid(_lines(bundle)))
    if bundle.manifest.scores:
        console.print(_scores("scores on the test span", bundle.manifest.scores))
    for artefact in bundle.manifest.artefacts:
        if artefact.scores:
            console.print(_scores(f"scores of {artefact.kind}, beside the model's on the same bars", artefact.scores))


@app.command()
def verify(
    folder: Folder,
    engine: Annotated[str, typer.Option(help="auto, or an engine: docs/reference/engines.md.")] = "auto",
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Check every digest, and whether this machine reproduces the bundle's golden features and outputs.

    Example: gaze bundle verify bundles/demo --engine onnxruntime
    """
    import msgspec  # noqa: PLC0415 - as above
    from rich.console import Console  # noqa: PLC0415

    from core import bundle as bundles  # noqa: PLC0415
    from daemon.engines import open_engine, open_stream  # noqa: PLC0415
    from daemon.engines.proof import prove, prove_stream  # noqa: PLC0415

    bundle = bundles.read(folder)
    opened = open_engine(engine, bundle)
    proof = prove(opened, bundle)
    stream = open_stream(opened, bundle)
    parts = prove_stream(stream, opened, bundle) if stream else None
    if as_json:
        told = {"digest": bundle.digest, "engine": opened.name, "device": opened.device, "reason": opened.reason}
        print(msgspec.json.format(msgspec.json.encode(told | {"proof": proof, "stream": parts}), indent=2).decode())
        return
    Console().print(_grid(_verdict(bundle, opened, proof, parts)))


def _lines(bundle: "Bundle") -> Iterator[tuple[str, str]]:
    manifest = bundle.manifest
    yield "model", f"{manifest.name} {manifest.version}, {manifest.family}, digest {bundle.digest}"
    yield "made", f"{manifest.created_at}, commit {manifest.commit[:12]}"
    for one in manifest.inputs:
        yield "reads", f"{one.name}: {one.window.kind} window of {one.window.length} bars of {manifest.interval}"
        yield "", f"{', '.join(one.features)} (digest {one.features_digest})"
        yield "needs", f"{one.bars_needed} bars before its first prediction"
    yield "runs on", ", ".join(_engines(manifest))
    yield from _said(manifest)
    for attention in manifest.attentions:
        yield "looks", f"{attention.name} over {' x '.join(attention.axes)}"
    yield "trained on", _trained_on(manifest)
    for part, (first_ms, last_ms) in manifest.training.spans.items():
        yield "", f"{part}: {_day(first_ms)} to {_day(last_ms)}, {manifest.training.rows.get(part, 0):,} windows"
    for artefact in manifest.artefacts:
        yield "proven", f"{artefact.kind}: {_proven(artefact)}"
        for name, share in artefact.cost.items():
            yield "costs", f"{artefact.kind}: {name} off from PyTorch by {share:.1g} of its largest value"
    if manifest.not_streaming:
        yield "in two parts", f"not: {manifest.not_streaming}"
    elif manifest.not_carried:
        yield "carried on", f"not: {manifest.not_carried}"
    for name, digest in manifest.files.items():
        yield "file", f"{name}: {bundle.path(name).stat().st_size / 1024:,.0f} KiB, sha256 {digest[:12]}..."


def _engines(manifest: "Manifest") -> Iterator[str]:
    from daemon.engines import ENGINES  # noqa: PLC0415 - as above

    kinds = {artefact.kind for artefact in manifest.artefacts}
    return (name for name, kind in ENGINES.items() if kinds.intersection(kind.artefacts))


def _said(manifest: "Manifest") -> Iterator[tuple[str, str]]:
    for output in manifest.outputs:
        yield "says", f"{output.name}: {output.kind} over {output.horizon} bars{output.unit and f', {output.unit}'}"
    for name, how in manifest.calibration.items():
        yield "calibrated", f"{name}: {how}"
    for margin in manifest.margins:
        yield "bands", f"{margin.output}: {margin.value:.4g} to either side holds {margin.coverage:.0%} of outcomes"


def _proven(artefact: "Artefact") -> str:
    if not artefact.measured:
        return "not run where it was made; proven where it is opened"
    worst = max(artefact.measured.values())
    return f"off by {worst:.1g} where it was made, {artefact.tolerance:.1g} is allowed"


def _trained_on(manifest: "Manifest") -> str:
    symbols = manifest.training.symbols
    some = ", ".join(symbols[:5]) + (", ..." if len(symbols) > 5 else "")  # noqa: PLR2004 - as many as fit a line
    return f"{len(symbols)} symbols: {some}; bars {manifest.training.bars_fingerprint[:12]}"


def _day(at_ms: int) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415 - as above

    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d")


def _scores(title: str, scores: "tuple[Score, ...]") -> "Table":
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table("output", "measure", "predictor", "value", "95 % interval", title=title)
    for score in scores:
        interval = f"{score.low:.4g} to {score.high:.4g}"
        table.add_row(score.output, score.measure, score.predictor, f"{score.value:.4g}", interval)
    return table


def _verdict(
    bundle: "Bundle", engine: "OpenEngine", proof: "Proof", parts: "StreamProof | None"
) -> Iterator[tuple[str, str]]:
    yield "bundle", f"{bundle.manifest.name} {bundle.manifest.version}, digest {bundle.digest}"
    yield "files", f"{len(bundle.manifest.files)} as their digests say"
    yield "engine", f"{engine.name} on {engine.device} ({engine.reason})"
    worst = max(proof.features.values())
    yield "features", "the same bits" if proof.same_feature_bits else f"off by at most {worst:.1g}"
    for name, share in proof.outputs.items():
        yield name, f"off by {share:.1g} of its largest value, {proof.tolerance:.1g} is allowed"
    yield "a row alone", f"{'the same' if proof.same_bits_alone else 'not the same'} bits as in a batch"
    yield "in two parts", _in_two_parts(bundle, engine, parts)
    yield "verdict", f"this machine reproduces all {proof.rows} golden rows"


def _in_two_parts(bundle: "Bundle", engine: "OpenEngine", parts: "StreamProof | None") -> str:
    if parts is None:
        return f"not: {bundle.manifest.not_streaming or f'{engine.name} runs whole windows only'}"
    return f"{'the same' if parts.same_bits else 'not the same'} bits as whole windows"


def _grid(lines: Iterator[tuple[str, str]]) -> "Table":
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    for label, value in lines:
        table.add_row(label, Text(value))  # not markup: "[gpu]" is a word
    return table
