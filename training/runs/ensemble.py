"""An ensemble: trained models that read the same bars, each output the weighted mean of what they say.

Beside the outputs stand the attentions of every member, `attention_1`, `attention_2` and so on. A member whose window
is shorter looks at the newest bars; the steps before have the weight none. N batch, T steps, F features.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional

from core.bundle import Input, Window
from core.errors import ConfigError
from core.outputs import Attention, Output
from training import families, recipe
from training.fitting import calibration
from training.network.heads import Head
from training.network.model import Model
from training.recipe import Count, Positive
from training.tables import fit

FAMILY: Final = "ensemble"
STEPS: Final = ("time", "market")
"""Axes of an attention that count the steps of a window."""


class Member(msgspec.Struct, frozen=True):
    """What is needed to build one member again."""

    family: str
    length: Count
    options: dict[str, Any] = {}
    kind: Literal["rolling", "expanding"] = "rolling"
    fewest: Count = 2
    calibration: recipe.Calibration = recipe.Calibration()


class Options(msgspec.Struct, frozen=True):
    """`members` by their number from 1, `weights` in the same order; they sum to one."""

    members: dict[str, Member]
    weights: Annotated[tuple[Positive, ...], msgspec.Meta(min_length=1)]


class Ensemble(Model):
    """Its members are whole models, normalisation and calibration among them; it learns nothing by itself."""

    def __init__(self, members: list["Reader"], weights: tuple[float, ...], outputs: tuple[Output, ...]) -> None:
        nn.Module.__init__(self)
        self.outputs = outputs
        self.attentions = tuple(
            Attention(f"{seen.name}_{number}", seen.axes, seen.bound)
            for number, member in enumerate(members, start=1)
            for seen in member.model.attentions
        )
        self.heads = nn.ModuleDict({output.name: _Mean(output) for output in outputs})
        self.members = nn.ModuleList(members)
        self.weights = weights

    @property
    def not_causal(self) -> str:
        """Why it has no streaming graphs: the reason of the first member that has none."""
        reasons = [str(getattr(one.model, "not_causal", "")) for one in self._readers]
        number = next(place for place, reason in enumerate(reasons) if reason)
        return f"of member {number + 1} {reasons[number]}"

    @property
    def _readers(self) -> list["Reader"]:
        return [one for one in self.members if isinstance(one, Reader)]

    def raw(self, *x_NTF: Tensor) -> dict[str, Tensor]:
        """(N, T, F) of each input -> every output, as it is said, and every member's attentions by name."""
        return self._together([member(*x_NTF) for member in self._readers], x_NTF[0].shape[1])

    def _together(self, said: list[dict[str, Tensor]], length: int) -> dict[str, Tensor]:
        weighed = list(zip(self.weights, said, strict=True))
        means = {
            one.name: torch.stack([weight * each[one.name] for weight, each in weighed]).sum(dim=0)
            for one in self.outputs
        }
        looks = {
            f"{seen.name}_{number}": _widened(each[seen.name], seen, length)
            for number, (member, each) in enumerate(zip(self._readers, said, strict=True), start=1)
            for seen in member.model.attentions
        }
        return means | looks


class Streaming(Ensemble):
    """An ensemble all of whose members can be cut before their newest row."""

    def prefix(self, *x_NTF: Tensor) -> dict[str, Tensor]:
        """All rows but the newest of every input -> the states of all members."""
        states: dict[str, Tensor] = {}
        for number, member in enumerate(self._readers, start=1):
            own: Any = member.model
            rows = [x[:, x.shape[1] + 1 - own_length :] for x, own_length in zip(x_NTF, member.lengths, strict=True)]
            states |= {f"member_{number}_{name}": state for name, state in own.prefix(*rows).items()}
        return states

    def step(self, states: Mapping[str, Tensor], *x_N1F: Tensor) -> dict[str, Tensor]:
        """States and the newest row of every input -> what forward() gives for the whole."""
        said = []
        for number, member in enumerate(self._readers, start=1):
            own: Any = member.model
            mine = {name: state for name, state in states.items() if name.startswith(f"member_{number}_")}
            said.append(own.step({name.split("_", 2)[2]: state for name, state in mine.items()}, *x_N1F))
        return self._together(said, max(member.lengths[0] for member in self._readers))


class Reader(nn.Module):
    """A member reading its own newest rows of windows that may be longer."""

    def __init__(self, model: Model, lengths: tuple[int, ...]) -> None:
        super().__init__()
        self.model = model
        self.lengths = lengths

    def forward(self, *x_NTF: Tensor) -> dict[str, Tensor]:
        """(N, T, F) of each input -> every output and attention of the member."""
        own = (x[:, x.shape[1] - length :] for x, length in zip(x_NTF, self.lengths, strict=True))
        said: dict[str, Tensor] = self.model(*own)
        return said


class _Mean(Head):
    """The head of a mean: what the members say needs no more to be said."""

    def __init__(self, output: Output) -> None:
        nn.Module.__init__(self)
        self.kind, self.single = output.kind, output.width == 1
        self.before, self.after = nn.Identity(), nn.Identity()

    def say(self, raw_NR: Tensor) -> Tensor:
        """As it is."""
        return raw_NR


def build(options: Mapping[str, Any], inputs: tuple[Input, ...], outputs: tuple[Output, ...]) -> Ensemble:
    """An ensemble whose members have the weights that chance gives them, to be loaded over.

    Raises: ConfigError: not as many weights as members, or a member that cannot be built.
    """
    told = fit(Options, options, f"model.options of {FAMILY}")
    if len(told.weights) != len(told.members):
        raise ConfigError(f"{len(told.weights)} weights for {len(told.members)} members; try: one for each")
    readers = [_reader(one, inputs, outputs) for _, one in sorted(told.members.items(), key=lambda one: int(one[0]))]
    total = sum(told.weights)
    causal = all(hasattr(one.model, "prefix") for one in readers)
    kind = Streaming if causal else Ensemble
    return kind(readers, tuple(weight / total for weight in told.weights), outputs)


def _reader(member: Member, inputs: tuple[Input, ...], outputs: tuple[Output, ...]) -> Reader:
    windows = {
        "symbol": Window(member.kind, member.length, member.fewest),
        "market": Window("rolling", member.length, member.length),
    }
    # Longer bars of the symbol have a window of their own, the same for every member.
    own = tuple(one if one.parts > 1 else msgspec.structs.replace(one, window=windows[one.source]) for one in inputs)
    model = families.build(member.family, member.options, own, outputs)
    calibration.attach(model, member.calibration)
    return Reader(model, tuple(one.window.length for one in own))


def _widened(weights: Tensor, seen: Attention, length: int) -> Tensor:
    """Weights over a shorter window as weights over the longer: none on the steps before."""
    places = [place for place, axis in enumerate(seen.axes, start=1) if axis in STEPS]
    lacking = length - weights.shape[places[-1]]
    if not lacking:
        return weights
    if len(places) > 1:
        raise ConfigError(f"{seen.name} is a matrix of steps, of a window shorter than another member's; try: mean")
    after = weights.dim() - 1 - places[-1]
    return functional.pad(weights, (0, 0) * after + (lacking, 0))
