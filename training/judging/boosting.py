"""Gradient boosting by LightGBM: the baseline that a network must beat to be worth its trouble.

What it learned is kept as LightGBM's own text, which holds no code. N samples, P predictors, C classes.
"""

from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SETTINGS: Final[dict[str, Any]] = {
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 50,
    "lambda_l2": 1.0,
    "seed": 0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
"""Small trees, slowly: markets are mostly noise."""

ROUNDS: Final = 60


def learn(x_NP: Floats, y_N: Floats, objective: str, **settings: float) -> npt.NDArray[np.uint8]:
    """Boosted trees as bytes of text. `objective`: LightGBM's name for what is made small."""
    trees = lightgbm.train({**SETTINGS, "objective": objective, **settings}, lightgbm.Dataset(x_NP, y_N), ROUNDS)
    return np.frombuffer(trees.model_to_string().encode(), np.uint8)


def foretell(learned: npt.NDArray[np.uint8], x_NP: Floats) -> Floats:
    """(N,), or (N, C) of several classes."""
    return np.asarray(lightgbm.Booster(model_str=learned.tobytes().decode()).predict(x_NP, num_threads=1))
