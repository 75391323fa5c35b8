"""How long a training takes: Gaze beside the obvious PyTorch loop with a DataLoader, and beside skorch.

    gaze bench train [--epochs 2] [--repeats 3] [--threads 1] [--json]

The work of two documents. `attention_lstm`: 10,034 sequences of 30 steps of 20 features, batches of 32 (its 50 epochs
took its authors over 5 minutes); `hourly_lstm`: 2,112 sequences of 48 steps of 3 features, batches of 32. All learn the
same network, written the plain way for the others, from the same windows and labels, by Adam, and measure a validation
part after every epoch. Each repeat runs all of them in turn; told is the best of the repeats, in seconds an epoch by
the clock and of the processor, which a busy machine changes less, and how many times Gaze's each takes. skorch comes
with pip install 'gazed[bench]'. "its LSTMs alone" are the network's recurrent layers, forward and backward over as many
batches and nothing else, which no loop goes below; how many operations a second they do stands beside what a product of
matrices of their size does.

Then, with --memory, how much memory a training of 20 symbols x 2.5 years of hours takes beyond the libraries.
"""

import argparse
import resource
import sys
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
import torch

from benchmarks.house import conditions
from benchmarks.training import plain
from benchmarks.training.plain import BATCH, Given, Took, obvious, recurrence, with_skorch
from core.barfile import BarFile, SymbolBars
from core.bars import COLUMNS, Interval
from core.errors import ConfigError
from training import families, recipe
from training.data.dataset import Samples
from training.data.panel import panel
from training.data.split import split
from training.data.windows import Windows
from training.fitting import loop
from training.recipe import Recipe

HOUR: Final = Interval.parse("1h")


class Work(msgspec.Struct, frozen=True):
    """One document's training: how many sequences, and the keys of the recipe that make the network."""

    name: str
    sequences: int
    document_epochs: int
    changes: tuple[str, ...]


WORKS: Final = (
    Work(
        "attention_lstm",
        10_034,
        50,
        (
            *("model.family=attention_lstm", "model.options={hidden=[64, 32], dense=[32, 16], dropout=0.3}"),
            *("window.length=30", "data.features=winner_20", "label.kind=winner", "label.horizons=[10]"),
            "label.threshold=0.02",
        ),
    ),
    Work("hourly_lstm", 2_112, 20, ("model.family=hourly_lstm", "model.options={hidden=128}", "window.length=48")),
)


def walks(symbols: int, bars: int) -> BarFile:
    """Random walks of one percent a bar."""
    random = np.random.default_rng(1)
    times = HOUR.floor(1_700_000_000_000) + HOUR.ms * np.arange(bars)
    parts = {}
    for number in range(symbols):
        close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, bars)))
        opened = np.concatenate([[100.0], close[:-1]])
        high, low = np.maximum(opened, close) * 1.002, np.minimum(opened, close) * 0.998
        rows = np.column_stack([opened, high, low, close, random.lognormal(3, 1, bars)])
        parts[f"S{number}"] = SymbolBars(f"S{number}", times, rows)
    assert rows.shape[1] == len(COLUMNS)
    return BarFile(HOUR, parts, "made")


def given(work: Work, epochs: int) -> Given:
    """So many windows to train on, and a quarter as many to validate on."""
    fixed = (f"optimiser.epochs={epochs}", f"stopping.patience={epochs}", f"optimiser.batch={BATCH}")
    told = recipe.read("demo", changes=("split.train=0.7", "split.validation=0.25", *fixed, *work.changes))
    whole = split(panel(walks(4, 4_600), told), told)
    parts = msgspec.structs.replace(
        whole,
        train=Samples(whole.train.panel, whole.train.ends_N[: work.sequences]),
        validation=Samples(whole.train.panel, whole.validation.ends_N[: work.sequences // 4]),
    )
    assert len(parts.train) == work.sequences
    windows, (output,) = Windows(parts.train.panel, torch.device("cpu")), parts.train.panel.outputs
    mean, std = (torch.from_numpy(of(parts.train.feature_rows(), axis=0)) for of in (np.mean, np.std))
    tensors = []
    for part in (parts.train, parts.validation):
        ends = torch.from_numpy(part.ends_N)
        label = windows.labels(ends)[output.name]
        scale = 1.0 if output.kind == "probability" else float(np.nanstd(parts.train.target(output)))
        tensors += [((windows.features(ends) - mean) / std).contiguous(), (label / scale).contiguous()]
    return Given(told, parts, *tensors)


def gaze(work: Given) -> Took | None:
    """Seconds of a training by Gaze."""
    return _gaze(work, work.told)


def gaze_bf16(work: Given) -> Took | None:
    """The same in bfloat16; None where the CPU has no instructions for it."""
    how = msgspec.structs.replace(work.told.optimiser, precision="bf16")
    try:
        return _gaze(work, msgspec.structs.replace(work.told, optimiser=how))
    except ConfigError:
        return None


def gaze_larger(work: Given) -> Took | None:
    """The same with batches of 256: another training, with an eighth of the steps."""
    how = msgspec.structs.replace(work.told.optimiser, batch=256)
    return _gaze(work, msgspec.structs.replace(work.told, optimiser=how))


def _gaze(work: Given, told: Recipe) -> Took:
    made = work.parts.train.panel
    torch.manual_seed(0)
    model = families.build(told.model.family, told.model.options, made.inputs, made.outputs)
    loop.set_up(model, work.parts)
    return Took.by(lambda: list(loop.fit(model, work.parts, told, lambda *_: None)))


WAYS: Final[dict[str, Callable[[Given], Took | None]]] = {
    "gaze": gaze,
    "gaze in bf16": gaze_bf16,
    "obvious loop": obvious,
    "skorch": with_skorch,
    "its LSTMs alone": recurrence,
    "gaze, 256": gaze_larger,
}


def measure(work: Work, epochs: int, repeats: int) -> dict[str, Took]:
    """Seconds an epoch of each way: the best of the repeats, all of them in turn in each."""
    prepared = given(work, epochs)
    best: dict[str, Took] = {}
    for _ in range(repeats):
        for name, way in WAYS.items():
            took = way(prepared)
            if took is not None:
                clock, processor = took.clock / epochs, took.processor / epochs
                before = best.get(name, Took(clock, processor))
                best[name] = Took(min(before.clock, clock), min(before.processor, processor))
    return best


def arithmetic(work: Work, best: dict[str, Took]) -> dict[str, float]:
    """Billions of operations: of the LSTMs in an epoch, a second of theirs, and a second of a product of matrices."""
    prepared = given(work, 1)
    billions = plain.billions(prepared)
    return {
        "an epoch": billions,
        "a second of its LSTMs": billions / best["its LSTMs alone"].processor,
        "a second of a product": plain.product(prepared),
    }


def memory() -> dict[str, float]:
    """MiB beyond the libraries at the peak of a training of 20 symbols x 2.5 years of hours, one epoch of it."""
    before = _peak_mib()
    told = recipe.read("bitcoin_hourly", changes=("data.symbols=[]", "window.stride=16", "optimiser.epochs=1"))
    file = walks(20, 21_900)
    bars = sum(part.rows.nbytes + part.opened_at_ms.nbytes for part in file.symbols.values()) / 2**20
    parts = split(panel(file, told), told)
    made = parts.train.panel
    model = families.build(told.model.family, told.model.options, made.inputs, made.outputs)
    loop.set_up(model, parts)
    list(loop.fit(model, parts, told, lambda *_: None))
    copied = len(made.ends_N) * made.length * made.features_RF.shape[1] * 4 / 2**20
    return {
        "libraries": before,
        "bars": bars,
        "beyond the libraries": _peak_mib() - before,
        "had windows been copied": copied,
    }


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of torch, for all alike; 0 leaves torch to choose")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    told: dict[str, Any] = conditions(torch=str(torch.__version__)) | {
        "threads": torch.get_num_threads(),
        "epochs": asked.epochs,
    }
    if asked.memory:
        told["memory_mib"] = memory()
    else:
        told["seconds_an_epoch"] = {work.name: measure(work, asked.epochs, asked.repeats) for work in WORKS}
        told["billions"] = {work.name: arithmetic(work, told["seconds_an_epoch"][work.name]) for work in WORKS}
    if asked.json:
        print(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
        return
    print(", ".join(f"{key} {value}" for key, value in told.items() if not isinstance(value, dict)))
    for name, mib in told.get("memory_mib", {}).items():
        print(f"{name:26} {mib:8.0f} MiB")
    for work in WORKS if not asked.memory else ():
        tell(work, told["seconds_an_epoch"][work.name])
        said = (f"{of:.0f} {what}" for what, of in told["billions"][work.name].items())
        print("operations of its LSTMs, billions:", ", ".join(said))


def tell(work: Work, seconds: dict[str, Took]) -> None:
    """One table."""
    print(f"\n{work.name}: {work.sequences:,} sequences, batches of {BATCH}; {work.document_epochs} epochs in all")
    print(f"{'':16} {'clock':>8} {'all':>7} {'processor':>10} {'of Gaze':>8}   s an epoch, s, s an epoch, times")
    for name, took in seconds.items():
        times = took.processor / seconds["gaze"].processor
        whole = took.clock * work.document_epochs
        print(f"{name:16} {took.clock:8.2f} {whole:7.0f} {took.processor:10.2f} {times:8.2f}")


if __name__ == "__main__":
    sys.exit(main())
