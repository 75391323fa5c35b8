"""Every family in every form: whether it converts, how far it is from PyTorch, how large it is, and how fast it runs.

    gaze bench engines [--families hourly_lstm,tcn] [--formats onnx,stream] [--facts] [--resume] [--write] [--json]

Through the engines of the daemon, one thread, for 1, 32 and 1,000 rows; each run in turn with one of PyTorch in eager
mode, so that their ratio holds on a machine that has other work to do. Of the streaming graphs the step is timed, which
is what runs when a bar closes; of buckets windows that are there to an eighth. Weights are random, bars are made up.

--write keeps each family and form as it is found, in benchmarks/results/engines.json, and puts all that is there into
docs/reference/engines.md. --facts leaves speeds as they are. --resume leaves out what was found today: with it the
whole table can be made in pieces.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from benchmarks.engines.matrix import BATCHES, Found, keep, merged, read, table, write
from benchmarks.engines.models import ONE_THREAD, OPTIONS, in_turn, inputs_of, source_of
from benchmarks.house import HOUSE, conditions
from core import bundle
from core.bundle import GOLDEN, REFERENCE, Bundle
from core.errors import GazeError
from daemon.engines import ENGINES, open_engine
from daemon.engines.onnxruntime import OnnxRuntimeStream
from export import to_stream
from export.bundle import npz
from export.formats import FORMATS
from export.prove import prove
from export.source import Source
from training.families import FAMILIES

FORMS = ("onnx", "stream", "buckets", "fp16", "fp16-gpu", "int8", "tflite", "tensorrt")
WINDOW = 48
Inputs = dict[str, npt.NDArray[np.float32]]
Prepared = Callable[[Inputs], Callable[[], object]]


def measure(source: Source, name: str, kind: str, *, timed: bool) -> Found:
    """This family, which goes by this name, in this form."""
    now = conditions()
    found = Found(family=name, form=kind, found_on=f"{now['date']}, {now['commit']}")
    if kind == "stream" and to_stream.why_not(source):
        return msgspec.structs.replace(found, refused=to_stream.why_not(source))
    with tempfile.TemporaryDirectory() as folder:
        try:
            made = _bundle(Path(folder) / "bundle", kind, source)
        except GazeError as error:
            told = str(error).partition("try: ")[0].rstrip(" ;.").replace(f"{HOUSE}/", "")
            return msgspec.structs.replace(found, refused=told)
        found = _described(made, found)
        try:
            prepared = _prepared(kind, made)
        except GazeError as error:
            return msgspec.structs.replace(found, not_run=str(error).partition("; try: ")[0])
        return _timed(prepared, source, found) if timed else found


def _bundle(folder: Path, kind: str, source: Source) -> Bundle:
    contents = FORMATS[kind].convert(source)
    artefact, kept = prove(kind, contents, source, FORMATS[kind].tolerance)
    files = dict(zip(artefact.files, contents, strict=True)) | {GOLDEN: npz(dict(kept)), REFERENCE: npz({})}
    return bundle.write(folder, msgspec.structs.replace(source.manifest, artefacts=(artefact,)), files)


def _described(made: Bundle, found: Found) -> Found:
    (artefact,) = made.manifest.artefacts
    shares = artefact.cost or artefact.measured
    looks = {one.name for one in made.manifest.attentions}
    return msgspec.structs.replace(
        found,
        kib=sum(made.path(file).stat().st_size for file in artefact.files) / 1024,
        predictions_off=max((share for name, share in shares.items() if name not in looks), default=None),
        attention_off=max((share for name, share in shares.items() if name in looks), default=None),
        same_bits=artefact.same_bits,
    )


def _prepared(kind: str, made: Bundle) -> Prepared:
    """What makes of inputs a call to be timed. Raises: GazeError: no engine runs it here."""
    if kind == "stream":
        stream = OnnxRuntimeStream(made)
        return lambda inputs: _step(stream, inputs)
    engine = open_engine(next(name for name, known in ENGINES.items() if kind in known.artefacts), made)

    def prepared(inputs: Inputs) -> Callable[[], object]:
        given = _an_eighth(inputs) if kind == "buckets" else inputs
        return lambda: engine.run(given)

    return prepared


def _an_eighth(inputs: Inputs) -> Inputs:
    """The windows, of whose rows seven of eight are lacking."""
    short = {name: values.copy() for name, values in inputs.items()}
    for values in short.values():
        values[:, : values.shape[1] - values.shape[1] // 8] = np.nan
    return short


def _step(stream: OnnxRuntimeStream, inputs: Inputs) -> Callable[[], object]:
    states = stream.prefix({name: values[:, :-1] for name, values in inputs.items()})
    newest = {name: np.ascontiguousarray(values[:, -1:]) for name, values in inputs.items()}
    return lambda: stream.step(states, newest)


def _timed(prepared: Prepared, source: Source, found: Found) -> Found:
    now, times, us = conditions(), {}, {}
    for rows in BATCHES:
        inputs = inputs_of(source.manifest, rows)
        times[rows], best_us = in_turn(prepared(inputs), partial(eager, source, inputs))
        us[rows] = best_us / rows
    return msgspec.structs.replace(found, times=times, us=us, timed_on=f"{now['date']}, {now['commit']}")


def eager(source: Source, inputs: Inputs) -> None:
    """PyTorch as it is written."""
    with torch.inference_mode():
        source.model(*(torch.from_numpy(inputs[one.name]) for one in source.manifest.inputs))


def main(arguments: list[str] | None = None) -> None:
    every = tuple(dict.fromkeys((*FAMILIES, *OPTIONS)))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", default=",".join(every))
    parser.add_argument("--formats", default=",".join(FORMS))
    parser.add_argument("--facts", action="store_true", help="measure no speed, and keep what was measured")
    parser.add_argument("--resume", action="store_true", help="leave out what was found today")
    parser.add_argument("--write", action="store_true", help="keep it, and put the table into the page")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    today, said = conditions()["date"], read() if asked.write or asked.resume else []
    fresh = {(one.family, one.form) for one in said if _is_of(one, today, timed=not asked.facts)}
    for family in asked.families.split(","):
        kinds = [kind for kind in asked.formats.split(",") if not (asked.resume and (family, kind) in fresh)]
        source = source_of(family, WINDOW) if kinds else None
        for kind in kinds:
            assert source
            one = measure(source, family, kind, timed=not asked.facts)
            said = merged(said, one)
            print(f"{family} {kind}: {one.refused or one.not_run or 'done'}", file=sys.stderr, flush=True)
            if asked.write:
                keep(one)
    if asked.json:
        print(msgspec.json.format(msgspec.json.encode(said), indent=2).decode())
        return
    told = f"Windows of {WINDOW} bars; {', '.join(ONE_THREAD.values())}.\n\n{table(said, every, FORMS)}"
    print(told)
    if asked.write:
        write(told, "measured")


def _is_of(one: Found, day: str, *, timed: bool) -> bool:
    asked = one.timed_on if timed and not (one.refused or one.not_run) else one.found_on
    return asked.startswith(day)


if __name__ == "__main__":
    main()
