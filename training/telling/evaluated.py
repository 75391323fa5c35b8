"""One evaluation, told on a terminal."""

import msgspec
from rich.console import Console

from training.judging.evaluation import Evaluation
from training.telling import report


def tell(console: Console, evaluation: Evaluation, *, as_json: bool) -> None:
    """Its scores, leaks, calibration and verdicts; or all of it as JSON."""
    if as_json:
        print(msgspec.json.encode(evaluation).decode())
        return
    for sentence in report.leaking(evaluation):
        console.print(sentence, style="bold red", highlight=False, soft_wrap=True)
    console.print(report.scores(evaluation))
    if evaluation.parts:
        console.print(report.parts_apart(evaluation))
    if evaluation.trades:
        console.print(report.trading(evaluation))
    if (curves := report.calibration(evaluation)) is not None:
        console.print(curves)
    for sentence in (*report.verdicts(evaluation), *report.leaking(evaluation)):
        console.print(sentence, highlight=False, soft_wrap=True)
