"""The command of export: `gaze export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from core.bundle import Artefact, Bundle

app = typer.Typer(no_args_is_help=True)


@app.command()
def export(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, as gaze train writes it.")],
    out: Annotated[Path, typer.Option(help="The bundle folder to write; a bundle that is there is replaced.")],
    to: Annotated[
        str, typer.Option(help="Formats, with commas between: onnx, buckets, fp16, fp16-gpu, int8, tensorrt, tflite.")
    ] = "onnx",
    name: Annotated[str | None, typer.Option(help="What the model is called; by default as its recipe.")] = None,
    version: Annotated[str, typer.Option(help="Which of the models of this name.")] = "1",
    tolerance: Annotated[
        float | None, typer.Option(help="Largest difference from PyTorch, as a share of an output's largest value.")
    ] = None,
    tolerance_int8: Annotated[
        float | None, typer.Option(help="The same, of 8-bit weights; by default export.int8 of the recipe.")
    ] = None,
    tolerance_fp16: Annotated[
        float | None, typer.Option(help="The same, of half precision; by default export.fp16 of the recipe.")
    ] = None,
    bars: Annotated[
        Path | None, typer.Option(help="Bars to score forms of fewer bits on, beside PyTorch, as gaze evaluate does.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Export this baseline of the run in its place: linear or boosting.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Export a run to a bundle, proven to give what PyTorch gives; refused, and nothing written, where it does not.

    Beside onnx come the streaming graphs, where the model can be cut before its newest bar. Half precision and 8-bit
    weights cost accuracy: refused past the tolerance, and where a score on --bars leaves the interval of PyTorch's.

    --baseline boosting exports what the network was judged beside, to be served and compared like it; it looks nowhere.

    Example: gaze export runs/demo --out bundles/demo --to onnx,int8
    """
    from rich.console import Console  # noqa: PLC0415 - a help text needs none of these

    from core.golden import features  # noqa: PLC0415
    from export.baseline import described, model_of, refuse_other  # noqa: PLC0415
    from export.bundle import make_bundle  # noqa: PLC0415
    from export.formats import FORMATS  # noqa: PLC0415
    from export.run import describe, judge_on, read_sample  # noqa: PLC0415
    from training.runs import run as runs  # noqa: PLC0415

    console = Console(stderr=as_json)
    with console.status("exporting"):
        run = runs.load(run_folder)
        manifest = describe(run, name or run.recipe.name, version)
        formats = tuple(one.strip() for one in to.split(","))
        tolerances = {kind: tolerance for kind in FORMATS if tolerance is not None}
        tolerances["int8"] = run.recipe.export.int8 if tolerance_int8 is None else tolerance_int8
        tolerances["fp16"] = tolerances["fp16-gpu"] = (
            run.recipe.export.fp16 if tolerance_fp16 is None else tolerance_fp16
        )
        sample, reference = read_sample(run_folder)
        judge = judge_on(run, bars) if bars else None
        chosen = model_of(baseline, run.baselines, run.outputs) if baseline else None
        if baseline and chosen:
            manifest = described(manifest, baseline)
            refuse_other(chosen, baseline, run.baselines, features(manifest, sample))
        bundle = make_bundle(out, chosen or run.model, manifest, sample, reference, formats, tolerances, judge)
    if as_json:
        print(_json(bundle))
        return
    lines = [_line(bundle, artefact) for artefact in bundle.manifest.artefacts]
    if bundle.manifest.not_streaming:
        lines.append(f"no streaming graphs: {bundle.manifest.not_streaming}")
    lines.append(f"bundle {manifest.name} {version} written to {out}, digest {bundle.digest}")
    lines.append(f"next: gaze bundle verify {out}")
    console.print(*lines, sep="\n", highlight=False, markup=False, soft_wrap=True)


def _line(bundle: "Bundle", artefact: "Artefact") -> str:
    files = " and ".join(artefact.files)
    size = sum(bundle.path(file).stat().st_size for file in artefact.files)
    shares = (artefact.cost or artefact.measured).values()
    if not artefact.measured:
        cost = f", costs about {max(shares):.1g} of an output's largest value" if shares else ""
        return f"{files}: {size / 1024:,.0f} KiB{cost}, not run here; proven where it is opened"
    bits = "; the bits of model.onnx" if artefact.same_bits and artefact.kind != "onnx" else ""
    off = f"off from PyTorch by at most {max(shares):.1g} of an output's largest value"
    return f"{files}: {size / 1024:,.0f} KiB, {off}{bits}"


def _json(bundle: "Bundle") -> str:
    import msgspec  # noqa: PLC0415 - as above

    manifest = bundle.manifest
    told = {"folder": str(bundle.folder), "digest": bundle.digest, "artefacts": manifest.artefacts}
    return msgspec.json.format(msgspec.json.encode(told | {"not_streaming": manifest.not_streaming}), indent=2).decode()
