"""What was found of each family in each form: kept as JSON, merged piece by piece, and told as one table."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from benchmarks.house import HOUSE, RESULTS

KEPT = RESULTS / "engines.json"
PAGE = HOUSE / "docs" / "reference" / "engines.md"
BATCHES = (1, 32, 1_000)
_DASH = "-"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One family in one form. `off` are largest differences from PyTorch, as shares of an output's largest value."""

    family: str
    form: str
    refused: str = ""
    """Why there is no such form, in the converter's words."""
    kib: float | None = None
    predictions_off: float | None = None
    attention_off: float | None = None
    same_bits: bool = False
    found_on: str = ""
    """Date and commit."""
    not_run: str = ""
    """Why it was not run here, in the engine's words."""
    times: dict[int, float] = {}
    """By rows, how many times as fast as PyTorch eager: the median of runs in turn."""
    us: dict[int, float] = {}
    """By rows, the best of those runs, in microseconds a row."""
    timed_on: str = ""


def read(path: Path = KEPT) -> list[Found]:
    """What was found so far."""
    return msgspec.json.decode(path.read_bytes(), type=list[Found]) if path.is_file() else []


def merged(kept: Iterable[Found], one: Found) -> list[Found]:
    """With this one in the place of the same family in the same form; what it does not tell of speed stays."""
    rest = list(kept)
    for at, before in enumerate(rest):
        if (before.family, before.form) == (one.family, one.form):
            speed = {} if one.timed_on or one.refused else {"times": before.times, "us": before.us,
                                                            "timed_on": before.timed_on}  # fmt: skip
            rest[at] = msgspec.structs.replace(one, **speed)
            return rest
    return [*rest, one]


def keep(one: Found, path: Path = KEPT) -> None:
    """Merge it into what is kept."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(merged(read(path), one)), indent=2) + b"\n")


def table(found: Iterable[Found], families: Sequence[str], forms: Sequence[str]) -> str:
    """All of it as Markdown, in this order; a pair that was not looked at has no row."""
    by_pair = {(one.family, one.form): one for one in found}
    rows = [by_pair[pair] for pair in ((family, form) for family in families for form in forms) if pair in by_pair]
    told = [
        "| family | form | predictions off | attention off | KiB | times PyTorch: 1 / 32 / 1,000 rows | us a row |",
        "|---|---|---|---|---|---|---|",
        *(_row(one) for one in rows),
        "",
        *_why_dashes(rows),
        f"Forms as of {_among(one.found_on for one in rows)}; speeds as of {_among(one.timed_on for one in rows)}.",
    ]
    return "\n".join(told) + "\n"


def write(text: str, mark: str, page: Path = PAGE) -> None:
    """Put it between two marks of the page."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->\n"
    before, rest = page.read_text().split(begin)
    page.write_text(before + begin + text + end + rest.split(end)[1])


def _row(one: Found) -> str:
    if one.refused:
        return f"| {one.family} | {one.form} | no: {one.refused} | {_DASH} | {_DASH} | {_DASH} | {_DASH} |"
    off = [_DASH if share is None else f"{share:.0e}" for share in (one.predictions_off, one.attention_off)]
    times = " / ".join(f"{one.times[rows]:.1f}" for rows in BATCHES) if one.times else _DASH
    us = " / ".join(f"{one.us[rows]:,.0f}" for rows in BATCHES) if one.us else _DASH
    form = f"{one.form}, same bits" if one.same_bits and one.form != "onnx" else one.form
    size = _DASH if one.kib is None else f"{one.kib:,.0f}"
    return f"| {one.family} | {form} | {' | '.join([*off, size, times, us])} |"


def _why_dashes(rows: Sequence[Found]) -> list[str]:
    """What a dash in a row that is not refused means."""
    reasons: dict[str, list[str]] = {}
    for one in rows:
        if one.not_run and one.form not in reasons.setdefault(one.not_run, []):
            reasons[one.not_run].append(one.form)
    told = [f"- {', '.join(forms)}: {why}." for why, forms in reasons.items()]
    waiting = [one for one in rows if not (one.refused or one.not_run or one.times)]
    if waiting:
        told.append(f"- {len(waiting)} more: not timed yet.")
    return ["A dash stands for what was not measured:", "", *told, ""] if told else []


def _among(days: Iterable[str]) -> str:
    return "; ".join(sorted({day for day in days if day})) or "never"
