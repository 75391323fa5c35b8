"""The reports in words: of single predictions, and of all of them."""

import csv
import io

from training.explain.cases import Case, CaseLook
from training.explain.report import AttentionReport, Report
from training.explain.said import Said

WIDE = "=" * 80
LINE = "-" * 80

UNTRAINED = "UNTRAINED: these weights are random, so nothing here says anything about markets."
PATTERNS = {
    "early_focused": "most weight on the first third of the window: where a pattern begins to form",
    "mid_focused": "most weight on the middle third: the step from old to new",
    "late_focused": "most weight on the last third: what happened lately",
    "evenly_distributed": "weight nearly even: the window as a whole, or nothing in particular",
    "mixed": "no third holds half of the weight",
}


def case(of: Case, report: Report) -> str:
    """The report of one prediction."""
    correct = {True: "YES", False: "NO", None: "not known yet"}[of.correct]
    lines = [
        WIDE,
        "PREDICTION ANALYSIS REPORT",
        WIDE,
        f"Symbol: {of.symbol}   window ends with the bar of {of.opened_at}   ({', '.join(of.kinds)})",
        f"Model: {report.subject} ({report.kind}), {report.output}",
        "",
        *_titled("PREDICTION"),
        f"Class: {of.said.upper()}",
        f"Forecast: {of.told}",
        f"Confidence: {100 * of.confidence:.1f} %{_confidence(report)}",
        "",
        f"Actual: {of.came or 'not known yet'}",
        f"Prediction correct: {correct}",
    ]
    for look in of.looks:
        lines += ["", *_look(look, report)]
    return "\n".join(lines) + "\n"


def _confidence(report: Report) -> str:
    return " (share of forecasts that are no larger)" if report.output.startswith("return") else ""


def _look(of: CaseLook, report: Report) -> list[str]:
    lines = [
        *_titled(f"ATTENTION ANALYSIS: {of.attention}"),
        f"Pattern: {of.pattern.replace('_', ' ')} ({PATTERNS[of.pattern]})",
        f"Mean weight: {of.mean_weight:.4f}",
        f"Max weight: {of.max_weight:.4f}",
        f"Concentration factor: {of.concentration_factor:.2f}x",
        f"Normalised entropy: {of.entropy:.4f} (1 even, 0 one step)",
        "",
        *_titled(f"TOP {len(of.top)} IMPORTANT BARS ({report.interval})"),
    ]
    for rank, step in enumerate(of.top, 1):
        lines.append(
            f"{rank}. {step.opened_at}, {step.bars_ago} bars ago (weight {step.weight:.4f}, {step.lift:.1f} x even)"
        )
        lines += [
            f"     {shown.name}: {shown.value:.6g} ({shown.deviations:+.1f} deviations)" for shown in step.features
        ]
    lines += ["", *_titled("FEATURES BY ATTENTION (mean |deviations| where it looks; x what it is elsewhere)")]
    lines += [f"{one.rank:3d}. {one.name}: {one.importance:.3f} ({one.lift:.2f} x)" for one in of.features[:10]]
    return lines


def table(of: Report) -> str:
    """The single predictions side by side, as comma-separated values: a row for each attention of each."""
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    heads = ["kinds", "symbol", "opened_at", "said", "forecast", "confidence", "outcome", "correct", "volatility"]
    rows.writerow([*heads, "attention", "pattern", "entropy", "max_weight", "concentration_factor", "heaviest_bar"])
    for case in of.cases:
        known = ("; ".join(case.kinds), case.symbol, case.opened_at, case.said, case.forecast, case.confidence)
        for look in case.looks:
            looked = (look.pattern, look.entropy, look.max_weight, look.concentration_factor, look.top[0].opened_at)
            rows.writerow([*known, case.outcome, case.correct, case.volatility, look.attention, *looked])
    return written.getvalue()


def whole(of: Report) -> str:
    """The report of all predictions, then of each case."""
    lines = [
        WIDE,
        f"WHERE {of.subject} LOOKS",
        WIDE,
        f"{of.kind} of family {of.family}, {of.reads}",
        f"{of.predictions:,} predictions, symbols: {of.symbols}, {of.span[0]} to {of.span[1]}, unseen in training",
        f"direction of {of.output} right: {of.right.told(3)}, n = {of.right.predictions:,}",
        "cases: " + ", ".join(f"{name} {count:,}" for name, count in of.counts.items()),
        f"intervals: 95 %, bootstrap over {of.blocks} blocks of time",
        f"attribution: {', '.join(of.methods)}{_no_gradients(of)}",
        *([UNTRAINED] if of.mark else []),
        *([of.recorded.sentence] if of.recorded else []),
    ]
    for one in of.attentions:
        lines += ["", *_titled(f"FINDINGS: {one.name}"), *(f"- {sentence}" for sentence in one.findings)]
        lines += ["", *_statistics(one), "", *_buckets(one), "", *_groups(one)]
    for said in of.outputs:
        lines += ["", *_output(said)]
    if of.inside:
        lines += ["", *_titled("INSIDE: who looks where"), *(f"- {one.sentence}" for one in of.inside)]
    for gate in of.gates:
        lines += ["", f"Gate {gate.name}: open by {100 * gate.open:.0f} % on average"]
    lines += ["", *(case(one, of) for one in of.cases)]
    return "\n".join(lines)


def _output(of: Said) -> list[str]:
    spread = ", ".join(f"{100 * float(level):g} % {value:+.4g}" for level, value in of.quantiles.items())
    lines = _titled(f"OUTPUT: {of.output}")
    lines.append(f"mean {of.mean:+.4g}, deviation {of.deviation:.4g}; quantiles {spread}")
    if of.classes:
        lines.append(f"{'':12s}{'precision':>10s}{'recall':>10s}{'F1':>10s}{'support':>10s}{'named':>10s}")
        lines += [
            f"{one.name:12s}{one.precision:10.3f}{one.recall:10.3f}{one.f1:10.3f}{one.support:10,d}{one.named:10,d}"
            for one in of.classes
        ]
        area = "" if of.area is None else f", area under the curve {of.area:.3f}"
        lines.append(f"F1 macro {of.macro_f1:.3f}, weighted {of.weighted_f1:.3f}{area}")
    if of.right:
        lines.append(f"right: {of.right.told(3)}, n = {of.right.predictions:,}")
    return [*lines, *(f"- {sentence}" for sentence in of.sentences)]


def _no_gradients(of: Report) -> str:
    return " (a bundle gives no gradients: occlusion replaces them)" if of.kind == "bundle" else ""


def _statistics(of: AttentionReport) -> list[str]:
    told = [f"{name.replace('_', ' '):24s} {one.told(4)}" for name, one in of.statistics.items()]
    return [*_titled("STATISTICS (mean over predictions)"), *told]


def _buckets(of: AttentionReport) -> list[str]:
    return [
        *_titled("TIME BUCKETS (lift: 1.00 is even)"),
        *(
            f"{bucket.name:12s} {bucket.last_bars_ago:3d} to {bucket.first_bars_ago:3d} bars ago  "
            f"share {100 * bucket.share.value:5.1f} %  even {100 * bucket.even_share:5.1f} %  lift {bucket.lift.told()}"
            for bucket in of.buckets[::-1]
        ),
    ]


def _groups(of: AttentionReport) -> list[str]:
    return [
        *_titled("BY KIND OF PREDICTION: entropy, concentration factor, mean bars ago"),
        *(
            f"{group.by:10s} {group.name:18s} n = {group.predictions:6,d}  {group.entropy.told(3)}  "
            f"{group.concentration_factor.told(2)}  {group.bars_ago.told(1)}"
            for group in of.groups
        ),
    ]


def _titled(title: str) -> list[str]:
    return [title, LINE]
