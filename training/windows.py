"""Windows as torch sees them: a view over the panel's one buffer, from which batches are cut by index.

R rows, W windows (one starting at every row that has T rows from there), N windows in a batch, T steps, F features.
"""

import torch
from torch import Tensor

from training.dataset import Panel


class Windows:
    """The panel's features and labels on a device. The buffer is shared with the panel on the CPU, moved once else."""

    def __init__(self, panel: Panel, device: torch.device) -> None:
        features_RF = torch.from_numpy(panel.features_RF).to(device)
        rows, features = features_RF.shape
        self.length = panel.length
        self.windows_WTF = features_RF.as_strided(
            (rows - panel.length + 1, panel.length, features), (features, features, 1)
        )
        self.targets = {name: torch.from_numpy(values).float().to(device) for name, values in panel.targets.items()}

    def features(self, ends_N: Tensor) -> Tensor:
        """(N,) rows of last bars -> (N, T, F). The only copy of a window that is ever made."""
        return self.windows_WTF[ends_N.to(self.windows_WTF.device) - (self.length - 1)]

    def labels(self, ends_N: Tensor) -> dict[str, Tensor]:
        """(N,) -> every output's label, (N,) or (N, width)."""
        return {name: values[ends_N.to(values.device)] for name, values in self.targets.items()}
