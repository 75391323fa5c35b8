"""What the model says, whatever it looks at: forecasts, confidence and calibration, and the losses of its training."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from core.attention import concentration_factor
from core.outputs import Kind
from core.reach import over
from training.explain.explaining import Explained
from training.explain.pictures import style
from training.explain.predictions import Predictions
from training.explain.reads import Doubles
from training.fitting.history import Epoch

TENTHS = 10


def outputs(of: Explained) -> Figure:
    """Forecasts beside what came, counts, confidence, and whether its size and its sureness are deserved."""
    predictions, name = of.predictions, of.report.output
    picture = style.figure(f"What {of.report.subject} says: {name}", 16, 7.5)
    one, two, three, four, five, six = picture.subplots(2, 3).ravel()
    _forecasts(one, predictions)
    counts = of.report.counts
    drawn = two.bar(list(counts), list(counts.values()), color=[style.GREEN, style.BLUE, style.VERMILION, style.ORANGE])
    two.bar_label(drawn, [f"{count:,}" for count in counts.values()], padding=2)
    two.set_ylabel("predictions")
    two.set_title(f"Direction right: {of.report.right.told(3)}")
    two.margins(y=0.12)
    ranked = predictions.output.kind in {Kind.RETURN, Kind.QUANTILES}
    three.hist(np.abs(predictions.forecast_N) if ranked else predictions.confidence_N, bins=40, color=style.BLUE)
    three.set(xlabel="size of the forecast" if ranked else "confidence", ylabel="predictions")
    three.set_title("Confidence is the rank of this size" if ranked else "Confidence")
    _deserved(four, predictions)
    _by_confidence(five, predictions, claims=not ranked)
    _sharpness(six, of)
    return picture


def _by_confidence(axes: Axes, of: Predictions, *, claims: bool) -> None:
    """How often the direction is right, by tenth of confidence; `claims`: confidence is a probability's."""
    known_N = np.isfinite(of.outcome_N) & (of.outcome_N != 0)
    right, sure = of.right[known_N].astype(np.float64), of.confidence_N[known_N]
    tenths = [tenth for tenth in np.array_split(np.argsort(sure, kind="stable"), TENTHS) if len(tenth)]
    x = np.array([sure[tenth].mean() for tenth in tenths])
    y = np.array([right[tenth].mean() for tenth in tenths])
    wide = np.array([np.sqrt(0.25 / len(tenth)) for tenth in tenths])
    axes.errorbar(x, 100 * y, 200 * wide, fmt="o", color=style.BLUE, ms=5, label="tenths, 2 standard errors")
    axes.axhline(50, color="black", ls=":", lw=1.2, label="a coin")
    if claims:
        axes.plot(x, 50 + 50 * x, color=style.VERMILION, ls="--", label="as often as it claims")
    axes.set(xlabel="confidence", ylabel="direction right (%)")
    axes.set_title("Is it right more often when it is sure?")
    axes.legend()


def _sharpness(axes: Axes, of: Explained) -> None:
    """How sharply each attention looks, by tenth of confidence."""
    order = np.array_split(np.argsort(of.predictions.confidence_N, kind="stable"), TENTHS)
    tenths = [tenth for tenth in order if len(tenth)]
    x = [float(of.predictions.confidence_N[tenth].mean()) for tenth in tenths]
    for look, colour in zip(of.predictions.looks, style.CYCLE, strict=False):
        factor_N = over(concentration_factor, look.profile_NT, look.reach_N)
        low, mid, high = np.array([np.quantile(factor_N[tenth], (0.1, 0.5, 0.9)) for tenth in tenths]).T
        axes.plot(x, mid, "o-", color=colour, ms=4, label=f"{look.attention.name}, median")
        axes.fill_between(x, low, high, color=colour, alpha=0.2, lw=0, label="10 to 90 %")
    axes.axhline(1, color="black", ls=":", lw=1.2, label="even")
    axes.set(xlabel="confidence", ylabel="max weight / mean weight")
    axes.set_title("Does it look more sharply when it is sure?")
    axes.legend()


def _forecasts(axes: Axes, of: Predictions) -> None:
    came_N = of.outcome_N[np.isfinite(of.outcome_N)]
    edge = float(np.quantile(np.abs(np.concatenate([of.forecast_N, came_N])), 0.995)) or 1.0
    bins = np.linspace(-edge, edge, 61).tolist()
    axes.hist(came_N, bins, color=style.PALE, density=True, label=f"came, deviation {came_N.std():.3g}")
    label = f"foretold, deviation {of.forecast_N.std():.3g}"
    axes.hist(of.forecast_N, bins, color=style.VERMILION, density=True, histtype="step", lw=1.6, label=label)
    axes.set(xlabel=f"{of.output.name} ({of.output.unit or 'over the middle'})", ylabel="density", yscale="log")
    axes.set_title("Forecasts and outcomes")
    axes.legend()


def _deserved(axes: Axes, of: Predictions) -> None:
    """Mean outcome and mean forecast by tenth of the forecasts: on the diagonal the size is deserved."""
    known_N = np.isfinite(of.outcome_N)
    forecast, came = of.forecast_N[known_N], of.outcome_N[known_N]
    tenths = np.array_split(np.argsort(forecast, kind="stable"), TENTHS)
    tenths = [tenth for tenth in tenths if len(tenth)]
    x = np.array([forecast[tenth].mean() for tenth in tenths])
    y = np.array([came[tenth].mean() for tenth in tenths])
    wide = np.array([came[tenth].std() / np.sqrt(len(tenth)) for tenth in tenths])
    axes.plot(x, x, color="black", ls=":", lw=1.2, label="deserved")
    axes.errorbar(x, y, 2 * wide, fmt="o", color=style.BLUE, ms=5, label="tenths of forecasts, 2 standard errors")
    slope = _slope(forecast, came)
    axes.set(xlabel="mean forecast", ylabel="mean outcome")
    axes.set_title(f"Calibration: outcome moves {slope:.2f} for each 1 foretold")
    axes.legend()


def _slope(forecast: Doubles, came: Doubles) -> float:
    away = forecast - forecast.mean()
    spread = float((away**2).sum())
    return float((away * came).sum() / spread) if spread else 0.0


def losses(history: tuple[Epoch, ...]) -> Figure:
    """Training and validation loss of every epoch, the best marked, and the gradients."""
    picture = style.figure("Training", 10, 4.2)
    first, second = picture.subplots(1, 2, width_ratios=[1.6, 1])
    number = [epoch.number for epoch in history]
    first.plot(number, [epoch.train_loss for epoch in history], "o-", color=style.BLUE, ms=3.5, label="train")
    validation = [epoch.validation_loss for epoch in history]
    first.plot(number, validation, "s--", color=style.VERMILION, ms=3.5, label="validation")
    best = max((epoch for epoch in history if epoch.best), key=lambda epoch: epoch.number)
    label = f"kept: epoch {best.number}, {best.validation_loss:.4f}"
    first.plot(best.number, best.validation_loss, "*", color="black", ms=13, label=label)
    first.set(xlabel="epoch", ylabel="loss (deviations of the labels, squared where mse)")
    first.set_title(_converged(history))
    first.legend()
    second.plot(number, [epoch.gradient_norm for epoch in history], "o-", color=style.GREEN, ms=3.5)
    second.set(xlabel="epoch", ylabel="mean norm of the gradients")
    second.set_title("Gradients before clipping")
    for axes in (first, second):
        axes.xaxis.get_major_locator().set_params(integer=True)
    return picture


def _converged(history: tuple[Epoch, ...]) -> str:
    best = max(epoch.number for epoch in history if epoch.best)
    last = history[-1]
    if best == last.number:
        return "Still getting better when it ended"
    gap = last.validation_loss - last.train_loss
    return f"No better for {last.number - best} epochs; validation {gap:+.3f} against train at the end"
