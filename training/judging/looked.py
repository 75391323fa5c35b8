"""Where a model looked, in few numbers: what a baseline reads that is given attention beside the bars.

N samples, T steps, F features, A numbers.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from core import attention
from core.outputs import Attention

Floats = npt.NDArray[np.float64]


def looked(
    attentions: Sequence[Attention], said: Mapping[str, npt.NDArray[np.float32]], x_NTF: npt.NDArray[np.float32]
) -> Floats:
    """(N, A): of every attention entropy, concentration and shares of its profile.

    Of those over the symbol's own steps also every feature's mean by weight; rows that a window lacks have none.
    """
    columns: list[Floats] = []
    known_NTF = np.nan_to_num(x_NTF)
    for one in attentions:
        if one.axes[-1] == "gate":
            continue
        profile_NT = attention.profile(said[one.name])
        edges = attention.bucket_edges(profile_NT.shape[-1])
        columns += [
            attention.normalised_entropy(profile_NT)[:, None],
            attention.concentration(profile_NT)[:, None],
            attention.shares(profile_NT, edges),
        ]
        if one.axes[-1] == "time":
            columns.append(np.einsum("nt,ntf->nf", profile_NT, known_NTF).astype(np.float64))
    return np.concatenate(columns, axis=1) if columns else np.empty((len(x_NTF), 0))
