"""The encoder: the stages of a ResNet-18, in plain torch.

Parameters have torchvision's names and shapes, so its weights fit, and its initial values: one seed
begins with the same numbers as ``torchvision.models.resnet18`` does. It is written here because
importing torchvision takes about as long as importing torch, and a detector needs no more of it.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

_WIDTHS = (64, 128, 256, 512)
_CLASSES = 1000  # of torchvision's classifier


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut; the first one has the stride.

    Args:
        inputs, outputs: channels.
        stride: 1, or 2 to halve height and width.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        # Made before the convolutions, in the order in which torchvision draws, but listed last.
        shortcut = None
        if stride != 1 or inputs != outputs:
            shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride), sides rounded up."""
        residual = F.relu(self.bn1(self.conv1(x)), inplace=True)
        residual = self.bn2(self.conv2(residual))
        residual += x if self.downsample is None else self.downsample(x)
        return F.relu(residual, inplace=True)


def resnet18_encoder() -> nn.Sequential:
    """From colour images (N, 3, H, W) to features (N, 512, H / 32, W / 32), sides rounded up.

    Its children are ``conv1``, ``bn1``, ``relu``, ``maxpool`` and ``layer1`` to ``layer4``.
    """
    encoder = nn.Sequential()
    encoder.add_module("conv1", nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False))
    encoder.add_module("bn1", nn.BatchNorm2d(64))
    encoder.add_module("relu", nn.ReLU(inplace=True))
    encoder.add_module("maxpool", nn.MaxPool2d(3, stride=2, padding=1))
    inputs = 64
    for number, width in enumerate(_WIDTHS, 1):
        first = ResidualBlock(inputs, width, 1 if number == 1 else 2)
        encoder.add_module(f"layer{number}", nn.Sequential(first, ResidualBlock(width, width, 1)))
        inputs = width
    nn.Linear(inputs, _CLASSES)  # only for the random numbers that its initial weights take
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return encoder
