"""The command of export: `gaze export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from core.bundle import Bundle

app = typer.Typer(no_args_is_help=True)


@app.command()
def export(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, as gaze train writes it.")],
    out: Annotated[Path, typer.Option(help="The bundle folder to write; a bundle that is there is replaced.")],
    to: Annotated[str, typer.Option(help="Formats, with commas between: onnx.")] = "onnx",
    name: Annotated[str | None, typer.Option(help="What the model is called; by default as its recipe.")] = None,
    version: Annotated[str, typer.Option(help="Which of the models of this name.")] = "1",
    tolerance: Annotated[
        float | None, typer.Option(help="Largest difference from PyTorch, as a share of an output's largest value.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Export a run to a bundle, proven to give what PyTorch gives; refused, and nothing written, where it does not.

    Example: gaze export runs/demo --out bundles/demo
    """
    from rich.console import Console  # noqa: PLC0415 - a help text needs none of these

    from export.bundle import make_bundle  # noqa: PLC0415
    from export.run import describe, read_sample  # noqa: PLC0415
    from training import run as runs  # noqa: PLC0415

    console = Console(stderr=as_json)
    with console.status("exporting"):
        run = runs.load(run_folder)
        manifest = describe(run, name or run.recipe.name, version)
        formats = tuple(one.strip() for one in to.split(","))
        sample, reference = read_sample(run_folder)
        bundle = make_bundle(out, run.model, manifest, sample, reference, formats, tolerance)
    if as_json:
        print(_json(bundle))
        return
    for artefact in bundle.manifest.artefacts:
        size = bundle.path(artefact.file).stat().st_size
        worst = max(artefact.measured.values())
        console.print(
            f"{artefact.file}: {size / 1024:,.0f} KiB, off from PyTorch by at most {worst:.1g} of an output's largest "
            f"value ({artefact.tolerance:.1g} is allowed)",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    written = f"bundle {manifest.name} {version} written to {out}, digest {bundle.digest}"
    console.print(written, f"next: gaze bundle verify {out}", sep="\n", highlight=False, markup=False, soft_wrap=True)


def _json(bundle: "Bundle") -> str:
    import msgspec  # noqa: PLC0415 - as above

    told = {"folder": str(bundle.folder), "digest": bundle.digest, "artefacts": bundle.manifest.artefacts}
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode()
