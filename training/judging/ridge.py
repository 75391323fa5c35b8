"""Ridge regression in closed form: the linear baseline. N samples, P predictors, W numbers foretold."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PENALTY: Final = 1e-3
"""Of each standardised coefficient, per sample."""


def learn(x_NP: Floats, y_NW: Floats) -> dict[str, npt.NDArray[Any]]:
    """Coefficients of standardised predictors, and what standardises them; a constant predictor gets none."""
    centre_P, spread_P = x_NP.mean(axis=0), x_NP.std(axis=0)
    spread_P = np.where(spread_P > 1e-12 * np.abs(centre_P).clip(min=1e-300), spread_P, np.inf)
    z_NP, middle_W = (x_NP - centre_P) / spread_P, y_NW.mean(axis=0)
    gram_PP = z_NP.T @ z_NP + PENALTY * len(z_NP) * np.eye(z_NP.shape[1])
    slope_PW = np.linalg.solve(gram_PP, z_NP.T @ (y_NW - middle_W))
    return {"centre": centre_P, "spread": spread_P, "slope": slope_PW, "middle": middle_W}


def foretell(learned: dict[str, npt.NDArray[Any]], x_NP: Floats) -> Floats:
    """(N, P) -> (N, W)."""
    said_NW: Floats = (x_NP - learned["centre"]) / learned["spread"] @ learned["slope"] + learned["middle"]
    return said_NW
