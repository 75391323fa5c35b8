"""Windows as torch sees them: a view over the panel's one buffer, from which batches are cut by index.

R rows, W windows (one starting at every row that has T rows from there), N windows in a batch, T steps, F features.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.data.dataset import Panel


class Windows:
    """The panel's features and labels on a device. The buffer is shared with the panel on the CPU, moved once else."""

    def __init__(self, panel: Panel, device: torch.device) -> None:
        self.length = panel.length
        self.expanding = panel.window.kind == "expanding"
        # An expanding window of the first bars begins before the buffer does.
        missing = panel.length - 1 if self.expanding else 0
        self.windows_WTF = _view(panel.features_RF, panel.length, device, missing)
        self.shift = panel.length - 1 - missing
        self.reach_R = torch.from_numpy(panel.reach_R).to(device)
        market = panel.market
        self.market_WTF = None if market is None else _view(market.features_MF, panel.length, device)
        self.market_row_R = None if market is None else torch.from_numpy(market.row_R).to(device)
        self.scales = [
            (_view(one.features_MF, one.length, device), torch.from_numpy(one.row_R).to(device), one.length)
            for one in panel.scales
        ]
        self.targets = {name: torch.from_numpy(values).float().to(device) for name, values in panel.targets.items()}
        self.event_R = torch.from_numpy(panel.event_R).to(device)
        self.volatility_R = torch.from_numpy(panel.volatility_R).float().to(device)

    def inputs(self, ends_N: Tensor) -> tuple[Tensor, ...]:
        """(N,) rows of last bars -> the symbol's windows, those of its longer bars, the market's where there is one."""
        own = [self.features(ends_N)]
        for windows_WTF, row_R, length in self.scales:
            own.append(windows_WTF[row_R[ends_N.to(row_R.device)] - (length - 1)])
        if self.market_WTF is None or self.market_row_R is None:
            return tuple(own)
        market_N = self.market_row_R[ends_N.to(self.market_row_R.device)]
        return (*own, self.market_WTF[market_N - (self.length - 1)])

    def features(self, ends_N: Tensor) -> Tensor:
        """(N,) rows of last bars -> (N, T, F). The only copy of a window that is ever made.

        Rows that an expanding window lacks are NaN, oldest first.
        """
        ends_N = ends_N.to(self.windows_WTF.device)
        x_NTF = self.windows_WTF[ends_N - self.shift]
        if self.expanding:
            steps_T = torch.arange(self.length, device=x_NTF.device)
            lacking_NT = steps_T < self.length - self.reach_R[ends_N].unsqueeze(-1)
            x_NTF = x_NTF.masked_fill_(lacking_NT.unsqueeze(-1), torch.nan)
        return x_NTF

    def labels(self, ends_N: Tensor) -> dict[str, Tensor]:
        """(N,) -> every output's label, (N,)."""
        return {name: values[ends_N.to(values.device)] for name, values in self.targets.items()}

    def events(self, ends_N: Tensor) -> Tensor:
        """(N,) -> (N, T): whether something happened at each step of a window."""
        back_T = torch.arange(self.length - 1, -1, -1, device=self.event_R.device)
        return self.event_R[(ends_N.to(self.event_R.device).unsqueeze(-1) - back_T).clamp(min=0)]

    def volatility(self, ends_N: Tensor) -> Tensor:
        """(N,) -> (N,)."""
        return self.volatility_R[ends_N.to(self.volatility_R.device)]


def _view(rows_RF: npt.NDArray[np.float32], length: int, device: torch.device, missing: int = 0) -> Tensor:
    """(R, F) -> (W, T, F), with so many rows that are not there before the first."""
    buffer_RF = torch.from_numpy(rows_RF).to(device)
    if missing:
        buffer_RF = torch.cat([buffer_RF.new_full((missing, buffer_RF.shape[1]), torch.nan), buffer_RF])
    rows, features = buffer_RF.shape
    return buffer_RF.as_strided((rows - length + 1, length, features), (features, features, 1))
