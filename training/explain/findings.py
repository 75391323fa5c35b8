"""What the numbers say, in words: every sentence is computed, and has its sample size and its interval."""

from training.explain.measure import AROUND
from training.explain.reliability import EVEN
from training.explain.report import AttentionReport, Contrast
from training.explain.truth import Truth
from training.fitting.history import Epoch

STATISTIC = {
    "entropy": ("entropy", "more evenly", "more selectively", 3),
    "concentration_factor": ("concentration factor", "more sharply", "less sharply", 2),
    "bars_ago": ("mean bars ago", "further back", "at more recent bars", 2),
}
UNUSUAL = 1.2
"""A feature is worth a word where it is this much less usual at the step looked at than elsewhere."""

SHARPER = 0.01
"""As much less entropy after the epoch that was kept is worth a word."""


def tell(of: AttentionReport) -> tuple[str, ...]:
    """What this attention looks at, for whom, and whether to believe it."""
    if uniform(of):
        return (_uniform(of), of.reliability.sentence, *_steady(of))
    return (
        _spread(of),
        *_bound(of),
        _reach(of),
        _buckets(of),
        _patterns(of),
        *_around(of),
        *((of.together.sentence,) if of.together else ()),
        *_contrasts(of),
        *_heads(of),
        *_truth(of.truth),
        of.reliability.sentence,
        *_steady(of),
    )


def _steady(of: AttentionReport) -> tuple[str, ...]:
    return (of.stability.sentence,) if of.stability else ()


def followed(name: str, history: tuple[Epoch, ...]) -> tuple[str, ...]:
    """How the look came to be in training; nothing where that was not recorded."""
    seen = [(epoch.number, epoch.attention[name], epoch.best) for epoch in history if name in epoch.attention]
    if len(seen) < 2:  # noqa: PLR2004 - nothing to follow
        return ()
    (first, start, _), (last, end, _) = seen[0], seen[-1]
    number, kept, _ = [one for one in seen if one[2]][-1]
    moved = 0.5 * sum(abs(now - then) for now, then in zip(kept.profile, start.profile, strict=True))
    told = (
        f"In training its entropy went from {start.entropy:.3f} (epoch {first}) to {kept.entropy:.3f} (epoch {number}, "
        f"kept) and {end.entropy:.3f} (epoch {last}); {100 * moved:.0f} % of the mean weight moved up to the one kept."
    )
    sharper = end.entropy < kept.entropy - SHARPER
    return (f"{told} It went on growing sharper after that, a sign of overfitting." if sharper else told,)


def uniform(of: AttentionReport) -> bool:
    """Whether so little of the weight lies elsewhere than even attention would put it that nothing can be read."""
    return of.statistics["displaced"].value < EVEN


def _uniform(of: AttentionReport) -> str:
    displaced = of.statistics["displaced"]
    return (
        f"Uniform: nothing to read. Only {100 * displaced.value:.1f} % of the weight would have to move to be even "
        f"(n = {displaced.predictions:,}); buckets and top steps only repeat the length of the window."
    )


def _spread(of: AttentionReport) -> str:
    entropy, factor = of.statistics["entropy"], of.statistics["concentration_factor"]
    word = "selective" if of.statistics["displaced"].value > 1 / 3 else "diffuse"
    return (
        f"Attention is {word}: normalised entropy {entropy.told(3)}, and the heaviest step of a prediction holds "
        f"{factor.told(1)} times its even share (n = {entropy.predictions:,})."
    )


def _bound(of: AttentionReport) -> tuple[str, ...]:
    if not of.lowest_entropy:
        return ()
    used = (1 - of.statistics["entropy"].value) / (1 - of.lowest_entropy)
    told = (
        f"A tanh bounds these scores: entropy cannot fall below {of.lowest_entropy:.3f}, nor a weight pass "
        f"{of.bound:.3f}. Attention uses {100 * used:.0f} % of that range."
    )
    return (told,)


def _reach(of: AttentionReport) -> str:
    steps, back = of.statistics["steps_for_half"], of.statistics["bars_back_for_half"]
    return (
        f"Half of the weight lies on {steps.told(1)} of {len(of.mean_weights)} steps, and within the last "
        f"{back.told(1)} bars; even attention would need {len(of.mean_weights) / 2:.0f}."
    )


def _buckets(of: AttentionReport) -> str:
    told = [
        f"{bucket.last_bars_ago} to {bucket.first_bars_ago} bars ago {bucket.lift.told()}"
        for bucket in of.buckets[::-1]
    ]
    return f"Against even attention (1.00): {'; '.join(told)}."


def _patterns(of: AttentionReport) -> str:
    order = sorted(of.patterns.items(), key=lambda item: -item[1])
    return "Patterns: " + ", ".join(f"{name.replace('_', ' ')} {100 * share:.0f} %" for name, share in order) + "."


def _around(of: AttentionReport) -> tuple[str, ...]:
    """Which features are unusual at the heaviest step, and at which step around it most."""
    usual = {one.name: one.importance / one.lift for one in of.features if one.lift > 0}
    found = []
    for name, estimates in of.around.items():
        ratios = [one.value / usual[name] if usual.get(name) else 1.0 for one in estimates]
        place = max(range(len(ratios)), key=lambda number: ratios[number])
        low = estimates[place].low
        if ratios[place] >= UNUSUAL and low is not None and low > usual[name]:
            when = {0: "at the heaviest step"}.get(AROUND[place]) or (
                f"{abs(AROUND[place])} bar{'s' if abs(AROUND[place]) > 1 else ''} "
                f"{'before' if AROUND[place] < 0 else 'after'} the heaviest step"
            )
            found.append((ratios[place], f"{name} {ratios[place]:.1f} times as unusual as elsewhere, {when}"))
    if not found:
        return ("No feature is less usual where the model looks than elsewhere.",)
    found.sort(reverse=True)
    return ("It looks where something happens: " + "; ".join(sentence for _, sentence in found[:4]) + ".",)


def _contrasts(of: AttentionReport) -> tuple[str, ...]:
    """A sentence for each two kinds that look apart, one for those that do not, and how many were compared."""
    pairs: dict[tuple[str, str], list[Contrast]] = {}
    for contrast in of.contrasts:
        pairs.setdefault((contrast.one, contrast.other), []).append(contrast)
    told, same = [], []
    for (one, other), contrasts in pairs.items():
        apart = [contrast for contrast in contrasts if contrast.difference.apart_from_zero]
        if apart:
            how = "; ".join(_apart(contrast) for contrast in apart)
            told.append(f'"{one}" looks otherwise than "{other}": {how}; n = {apart[0].difference.predictions:,}.')
        else:
            same.append(f'"{one}" and "{other}"')
    if same:
        told.append(f"No difference is shown between {', '.join(same)}.")
    if of.contrasts:
        told.append(f"({len(of.contrasts)} differences were looked at; of 20 that are none, one shows at 95 %.)")
    return tuple(told)


def _apart(of: Contrast) -> str:
    name, more, less, digits = STATISTIC[of.statistic]
    return f"{more if of.difference.value > 0 else less} ({name} {of.difference.told(digits, signed=True)})"


def _heads(of: AttentionReport) -> tuple[str, ...]:
    told = []
    if len(of.heads) > 1:
        pairs = [
            (overlap, one, other)
            for one, row in enumerate(of.head_redundancy)
            for other, overlap in enumerate(row)
            if one < other
        ]
        overlap, one, other = max(pairs)
        special = max(of.heads, key=lambda head: head.specialisation)
        told.append(
            f"Heads {one} and {other} are most alike ({100 * overlap:.0f} % of their weight on the same steps); "
            f"head {special.number} is most its own ({100 * special.specialisation:.0f} % elsewhere)."
        )
    if len(of.layers) > 1:
        first, last = of.layers[0], of.layers[-1]
        told.append(f"From the first to the last layer entropy goes from {first.entropy:.3f} to {last.entropy:.3f}.")
    return tuple(told)


def _truth(of: Truth | None) -> tuple[str, ...]:
    if of is None:
        return ()
    return tuple(
        f"Planted causes: {one.name} finds {100 * one.found[1].value:.0f} % with its heaviest step and "
        f"{100 * one.found[3].value:.0f} % with three (chance {100 * of.chance[1]:.0f} % and "
        f"{100 * of.chance[3]:.0f} %), n = {one.lift.predictions:,}; weight there is {one.lift.told(1)} times even."
        for one in of.finders
    )
