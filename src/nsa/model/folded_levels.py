"""A classification network as it judges on a CPU, see :mod:`nsa.model.folding`."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from nsa.model.backbones import Levels
from nsa.model.folding import Activation, FoldedConvolution
from nsa.model.lite import SameConvolution

_ACTIVATIONS: dict[type[nn.Module], Activation] = {nn.ReLU: "relu", nn.ReLU6: "relu6"}


def fold_levels(levels: Levels) -> Levels:
    """A copy in which normalisations are part of the convolutions, wherever a network has them so.

    That is in this package's networks and in torchvision's; those of timm are only copied.
    Evaluation mode is taken for granted, and levels' outputs differ by rounding alone.
    """
    made = copy.deepcopy(levels).requires_grad_(False)
    for module in [*made.modules()]:
        if isinstance(module, nn.Sequential):
            _fold(module, [*module.named_children()])
        elif type(module).__module__ == "torchvision.models.resnet":
            # The names of these say what follows what; the ReLU between is one for all.
            parts = dict(module.named_children())
            for name in parts:
                if name.startswith("conv"):
                    norm = name.replace("conv", "bn")
                    _fold(module, [(name, parts[name]), (norm, parts[norm])])
    return made


def _fold(module: nn.Module, children: list[tuple[str, nn.Module]]) -> None:
    """Replace each convolution that a normalisation follows in a row of children."""
    after = [*children[1:], ("", nn.Identity()), ("", nn.Identity())]
    for (name, layer), (following, norm), (last, active) in zip(
        children, after, after[1:], strict=False
    ):
        if type(layer) not in (nn.Conv2d, SameConvolution) or type(norm) is not nn.BatchNorm2d:
            continue
        assert isinstance(layer, nn.Conv2d)
        activation = _ACTIVATIONS.get(type(active))
        made = FoldedConvolution.of(layer, norm, activation)
        setattr(module, name, _Same(made, layer) if isinstance(layer, SameConvolution) else made)
        setattr(module, following, nn.Identity())
        if activation is not None:
            setattr(module, last, nn.Identity())


class _Same(nn.Module):
    """Padded as TensorFlow does."""

    def __init__(self, folded: FoldedConvolution, convolution: SameConvolution) -> None:
        super().__init__()
        self.folded, self.pad = folded, convolution.pad

    def forward(self, x: Tensor) -> Tensor:
        return self.folded.padded(*self.pad(x))
