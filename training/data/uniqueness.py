"""How much of a label is its own, where labels over a horizon share their bars. N windows, R rows."""

import numpy as np
import numpy.typing as npt

from training.data.stretches import Rows


def uniqueness(ends_N: Rows, horizon: int, rows: int) -> npt.NDArray[np.float32]:
    """(N,) last rows of windows -> (R,): of those, the mean over its label's bars of one over how many labels hold it.

    1 is a label that shares no bar, 1 / horizon one of many in a row (average uniqueness: Lopez de Prado 2018,
    chapter 4); 0 of rows that end no window.
    """
    changes_R = np.zeros(rows + horizon + 2, np.int64)
    np.add.at(changes_R, ends_N + 1, 1)
    np.add.at(changes_R, ends_N + horizon + 1, -1)
    labels_R = changes_R.cumsum()
    share_R = np.divide(1.0, labels_R, out=np.zeros(len(labels_R)), where=labels_R > 0)
    before_R = np.concatenate([[0.0], share_R.cumsum()])
    out_R = np.zeros(rows, np.float32)
    out_R[ends_N] = (before_R[ends_N + horizon + 1] - before_R[ends_N + 1]) / horizon
    return out_R
