"""In how many bits the steps of a training compute. Weights, losses and all that is judged stay in 32."""

from contextlib import AbstractContextManager
from typing import Final

import torch
from torch import Tensor, nn

from core.errors import ConfigError
from training.recipe import Precise

HALF: Final = {"bf16": torch.bfloat16, "16": torch.float16}


def device(name: str) -> torch.device:
    """The device of a recipe; "auto" is a GPU where torch sees one.

    Raises: ConfigError: a GPU is asked for and there is none.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise ConfigError("the recipe asks for a GPU (optimiser.device) and torch sees none. try: gaze doctor")
    return torch.device("cuda" if name == "auto" and there else "cpu" if name == "auto" else name)


class Precision:
    """Casts what the network computes, and scales gradients that 16 bits could not hold."""

    def __init__(self, how: Precise, on: torch.device) -> None:
        """Raises: ConfigError: this device gains nothing by it."""
        if how == "auto":
            how = "32" if on.type == "cpu" else "bf16" if torch.cuda.is_bf16_supported() else "16"
        if on.type == "cpu" and how == "16":
            raise ConfigError('optimiser.precision = "16" is for GPUs, this training is on the CPU; try: bf16 or 32')
        if on.type == "cpu" and how == "bf16" and not _cpu_has_bf16():
            raise ConfigError(
                'optimiser.precision = "bf16" would be slower than 32 here: this CPU has no instructions for it '
                "(AVX512-BF16 or AMX). try: --set optimiser.precision=32, or --device cuda"
            )
        self.name = how
        self._on = on.type
        self._scaler = torch.amp.GradScaler(on.type, enabled=how == "16")

    def cast(self) -> AbstractContextManager[None]:
        """Inside, matrix products compute in the chosen bits."""
        return torch.autocast(self._on, dtype=HALF.get(self.name, torch.bfloat16), enabled=self.name in HALF)

    def backward(self, loss: Tensor) -> None:
        """Gradients of a loss, scaled where need be."""
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def step(self, optimiser: torch.optim.Optimizer, weights: list[nn.Parameter], clip: float) -> Tensor:
        """One step with clipped gradients: their norm before. A step whose gradients overflowed is left out: norm 0."""
        self._scaler.unscale_(optimiser)
        norm = nn.utils.clip_grad_norm_(weights, clip)
        self._scaler.step(optimiser)
        self._scaler.update()
        optimiser.zero_grad(set_to_none=True)
        return torch.where(norm.isfinite(), norm, 0.0) if self.name == "16" else norm

    def state(self) -> dict[str, float]:
        """What the next step hangs on."""
        return self._scaler.state_dict()

    def go_on(self, state: dict[str, float]) -> None:
        """Go on from such a state."""
        self._scaler.load_state_dict(state)


def _cpu_has_bf16() -> bool:
    # Without them torch computes in bfloat16 all the same, many times slower.
    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_bf16") or has.get("amx_bf16") or has.get("bf16"))
