"""docs/results.md, from the results that are kept: what was found beside what was claimed, and what was not run."""

import json
import re
import textwrap
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.scores.tasks import TASKS, Task
from training.judging.evaluation import Evaluation
from training.judging.scores import title
from training.many.comparing import Compared
from training.telling import report, side_by_side
from training.telling.report import number, scaled, unit

SHOWN: Final = {
    "return": ("rmse", "mae", "correlation", "ic", "rank_ic", "direction"),
    "trend": ("mae", "correlation", "rank_ic", "direction"),
    "direction": ("accuracy", "auc", "brier", "calibration"),
    "probability": ("accuracy", "auc", "precision", "recall", "brier", "calibration"),
}
"""The measures that the page shows, by kind of output; all of them are in the files it is made from."""

ASKED: Final = r"<(\w+) (\w+) (\w+)>"
"""A score in an answer: output, measure, predictor."""

HEAD: Final = """# Results

What every recipe gives on real bars, beside what its source document claims and what is wrong with the claim.
Nothing here was chosen for how it came out: one training each, no choice between two looks at the final span, the
profile that its section names. How to read the numbers: [scores](explanation/scores.md).

    gaze bench results --data ../shared/data --work build/results

goes through it recipe by recipe, does nothing twice, and writes this page from `benchmarks/results/scores/`. It is
no part of any test. The bars are those of `../shared/data`, which are not part of the project. Times are of two
shared cores that others kept busy, at the lowest priority: the load before is said with each; idle, it is several
times faster. In brackets: 95 % intervals by a bootstrap over blocks of time. A score says something only beside its
baselines.
"""


def write(kept: Path, page: Path) -> None:
    """The page from every result in a folder."""
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(kept.glob("*.json"))}
    parts = [HEAD]
    parts += [_recipe(task, found[name]) for name, task in TASKS.items() if name in found]
    parts.append(_published(found))
    lacking = [f"`{name}` ({task.title.lower()})" for name, task in TASKS.items() if name not in found]
    lacking.append("the `full` profiles but Bitcoin's, which need a GPU")
    parts.append("## Not run\n\n" + "\n".join(f"- {one}" for one in lacking) + "\n")
    page.write_text("\n".join(parts), "utf-8")


def _recipe(task: Task, found: dict[str, Any]) -> str:
    of = msgspec.convert(found["evaluation"], Evaluation)
    told = (
        f"{of.windows:,} windows of {of.symbols} symbols, {_day(of.span[0])} to {_day(of.span[1])}. Trained in "
        f"{found['seconds'] / 60:.0f} minutes on {found['machine']}, load {found['load_before']} before, "
        f"{found['at']}, commit {found['commit']}, judged with {found['judged_with']}."
    )
    verdicts = [f"- {sentence}" for sentence in (*report.leaking(of), *report.verdicts(of))]
    lines = [f"## {task.title}", "", f"    {_short(found['command'])}", "", told, "", *_tables(of), *verdicts, ""]
    if "compared" in found:
        lines += [*_compared(msgspec.convert(found["compared"], Compared)), ""]
    if task.claims:
        lines += ["| the document says | what is to be said to it |", "|---|---|"]
        lines += [f"| {claim.said} | {_filled(claim.answer, of)} |" for claim in task.claims]
        lines.append("")
    return "\n".join(lines)


def _compared(of: Compared) -> list[str]:
    """What `gaze compare` says of the run and the one beside it, in the measures that the page shows."""
    runs = " and ".join(f"`{one.name}` ({one.family}, {one.parameters:,} parameters)" for one in of.runs)
    shown = [one for one in of.differences if one.measure in SHOWN.get(one.output.rpartition("_")[0], ())]
    said = [*map(side_by_side.difference, shown), *of.recommendations]
    return [f"`gaze compare` on the {of.windows:,} windows that {runs} share:", "", *(f"- {one}" for one in said)]


def _tables(of: Evaluation) -> list[str]:
    """A table for each output: predictors down, measures across."""
    lines = []
    for output, rows in groupby(of.scores, key=lambda score: score.output):
        scores = {(row.predictor, row.measure): row for row in rows}
        shown = SHOWN.get(output.rpartition("_")[0], ("pinball", "coverage", "rps", "qlike"))
        measures = [one for one in shown if any(measure == one for _, measure in scores)]
        lines.append(f"| {output} | " + " | ".join(title(one) + unit(output, one) for one in measures) + " |")
        lines.append("|---|" + "---|" * len(measures))
        for predictor in dict.fromkeys(predictor for predictor, _ in scores):
            cells = [_cell(scores.get((predictor, one)), scaled(output, one)) for one in measures]
            lines.append(f"| {predictor} | " + " | ".join(cells) + " |")
        lines.append("")
    return lines


def _cell(score: Any, scale: float) -> str:
    if score is None:
        return ""
    return f"{number(score.value * scale)} ({number(score.low * scale)} to {number(score.high * scale)})"


def asked(answer: str) -> list[tuple[str, str, str]]:
    """The scores that an answer asks for: output, measure and predictor of each."""
    return re.findall(ASKED, answer)


def _filled(answer: str, of: Evaluation) -> str:
    scores = {(one.output, one.measure, one.predictor): one for one in of.scores}

    def found(wanted: re.Match[str]) -> str:
        output, measure, predictor = wanted.groups()
        return number(scores[output, measure, predictor].value * scaled(output, measure))

    return re.sub(ASKED, found, answer)


def _published(found: dict[str, dict[str, Any]]) -> str:
    lines = ["## Published tables, computed again", ""]
    if "exchange_rate" in found:
        lines += _exchange_rate(found["exchange_rate"]["found"])
    if "acl18" in found:
        lines += _acl18(found["acl18"]["found"])
    if "bitcoin_30m" in found:
        lines += _bitcoin(found["bitcoin_30m"]["found"])
    return "\n".join(lines)


def _exchange_rate(of: dict[str, Any]) -> list[str]:
    lines = [
        _paragraph(
            "**Repeat on exchange_rate** (eight currencies, daily; LTSF-Linear's protocol: 70/10/20, standardised by "
            "the training part, 96 days in, every test window). A model that does not beat it has learned nothing."
        ),
        "| | MSE 96 / 192 / 336 / 720 | MAE 96 / 192 / 336 / 720 |",
        "|---|---|---|",
        "| published | 0.081 / 0.167 / 0.305 / 0.823 | 0.196 / 0.289 / 0.396 / 0.681 |",
    ]
    for name, row in of.items():
        if isinstance(row, dict):
            squares, distances = (" / ".join(f"{value:.3f}" for value in row[key]) for key in ("mse", "mae"))
            lines.append(f"| {name} | {squares} | {distances} |")
    told = (
        "The published figures come out to the last digit when the last, incomplete batch of 32 windows is dropped, "
        "as a loader with `drop_last` does: at 720 days that moves the error by 1.6 %, more than lies between some "
        "models."
    )
    return [*lines, "", _paragraph(told)]


def _acl18(of: dict[str, Any]) -> list[str]:
    train, test = of["train"], of["test"]
    return [
        _paragraph(
            "**ACL18** (87 stocks; a label is the day's move: up from +0.55 %, down from -0.5 %, else left out). The "
            f"rule gives {of['obeyed']:,} of {of['labels']:,} labels. The test has {test['samples']:,} samples, as the "
            f"authors' code says, {100 * test['up']:.1f} % of them up, of the training part "
            f"{100 * train['up']:.1f} %, so that always saying up is right {100 * of['majority_of_training']:.1f} % "
            "of the time. Published accuracies, as quoted from memory of the paper, are 53.2 % (LSTM) to 57.2 % "
            "(Adv-ALSTM): the first is less than two "
            "points above saying nothing, where chance alone has a standard error of 0.8 points if all samples were "
            "independent, and stocks of one day are not."
        )
    ]


def _bitcoin(of: dict[str, Any]) -> list[str]:
    model, still, apart = of["model"], of["persistence"], of["apart"]
    sure = "not distinguishable from" if apart["low"] <= 0 <= apart["high"] else "distinguishable from"
    return [
        _paragraph(
            "**Bitcoin, 30-minute bars** (48 in, 24 out, the final tenth held out once, windows that do not overlap; "
            "ours are USD-M perpetuals to mid-2025, the published ones are not here: compare within a column)."
        ),
        "| | published: BiLSTM with Bahdanau's attention | ours: LSTM with Bahdanau's attention |",
        "|---|---|---|",
        f"| windows | 217 | {of['windows']} |",
        f"| MAE of the model / of persistence | 464.8 / 462.8 | {model['mae']:.1f} / {still['mae']:.1f} |",
        f"| RMSE of the model / of persistence | 705.0 / 701.7 | {model['rmse']:.1f} / {still['rmse']:.1f} |",
        f"| 12-hour direction right | 48.4 % | {100 * of['direction_12h']:.1f} % |",
        "",
        _paragraph(
            f"Ours is {sure} persistence: MAE {apart['mae']:+.1f} ({apart['low']:+.1f} to {apart['high']:+.1f}). The "
            f"standard error of its direction is {100 * of['direction_error']:.1f} points; the price was up after "
            f"{100 * of['up']:.1f} % of the windows."
        ),
    ]


def _paragraph(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n"


def _short(command: str) -> str:
    return re.sub(r"--set data\.symbols=\[.*?\]", "--set data.symbols=[...]", command)


def _day(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%d}"
