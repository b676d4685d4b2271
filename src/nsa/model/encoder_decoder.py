"""The network: a ResNet-18 encoder and a small decoder that maps an image to per-pixel logits."""

from __future__ import annotations

import itertools
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nsa.errors import InputError
from nsa.model import layers
from nsa.model.forms import Forms
from nsa.model.layers import Window
from nsa.model.resnet import resnet18_encoder
from nsa.system.device import float32_weights

Activation = Literal["sigmoid", "relu"]

STRIDE = 32
"""Pixels of the image per row and column of the encoding."""
_AS_WRITTEN = Forms()
# Exporters of older ones ask of pooling whether a side is even, and so know no other sides.
_POOLING_ASKS = torch.__version__ < "2.13"


class UpBlock(nn.Module):
    """Residual block that doubles height and width: the basic block of ResNet, turned round."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(
            inputs, outputs, 3, stride=2, padding=1, output_padding=1, bias=False
        )
        self.up_norm = nn.BatchNorm2d(outputs)
        self.conv = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.conv_norm = nn.BatchNorm2d(outputs)
        self.shortcut = nn.ConvTranspose2d(
            inputs, outputs, 1, stride=2, output_padding=1, bias=False
        )
        self.shortcut_norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor, rewritten: bool) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, 2 H, 2 W); ``rewritten``: see :attr:`Forms.decoder`."""
        if rewritten:
            up, shortcut = layers.up_and_shortcut(x, self.up.weight, self.shortcut.weight)
        else:
            up, shortcut = self.up(x), self.shortcut(x)
        residual = F.relu(self.up_norm(up))
        residual = self.conv_norm(self.conv(residual))
        return F.relu(residual + self.shortcut_norm(shortcut))


class EncoderDecoder(nn.Module):
    """Section 4.1 of the paper: 11.50 M parameters, 32-fold encoding, full-size output.

    The network is fully convolutional: any input of at least 32 x 32 pixels will do, and sides that
    are no multiple of 32 are handled by cropping the output.

    Args:
        channels: 3 for colour, 1 for grey images.
        activation: ``"sigmoid"`` for labels in [0, 1] trained by cross-entropy, ``"relu"`` for
            the continuous label.
        skips: whether the decoder sees the encoder's finer features, too: after each of its blocks
            those of the same scale are added, by a convolution of 1 x 1 with batch normalisation.
            Not in the paper. What lies between encoder and decoder is then one layer instead of
            two, so that there are 11.42 M parameters.

    Attributes:
        skips: as given.
        forms: how layers are computed; None: :meth:`Forms.for_device` of the input's device. It
            changes neither parameters nor, but for rounding, results.

    Raises:
        InputError: ``channels`` or ``activation`` is none of these.
    """

    forms: Forms | None = None

    @float32_weights()
    def __init__(
        self, channels: int = 3, activation: Activation = "sigmoid", skips: bool = False
    ) -> None:
        super().__init__()
        if channels not in (1, 3):
            raise InputError(f"channels must be 1 (grey) or 3 (colour), got {channels!r}.")
        if activation not in ("sigmoid", "relu"):
            raise InputError(f"activation must be 'sigmoid' or 'relu', got {activation!r}.")
        self.channels = channels
        self.activation = activation
        self.skips = skips
        self.encoder = resnet18_encoder()
        if channels == 1:
            grey = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
            nn.init.kaiming_normal_(grey.weight, mode="fan_out", nonlinearity="relu")
            self.encoder.conv1 = grey
        widths = (512, 128) if skips else (512, 256, 128)
        self.bottleneck = nn.Sequential()
        for inputs, outputs in itertools.pairwise(widths):
            self.bottleneck.append(nn.Conv2d(inputs, outputs, 1, bias=False))
            self.bottleneck.append(nn.ReLU(inplace=True))
        self.decoder = nn.Sequential(UpBlock(128, 64), UpBlock(64, 32), UpBlock(32, 16))
        # The published head has no bias, and the first tenth of a short training goes into calling
        # most pixels normal. Beginning at the share of anomalous pixels, about 2 %, spares that.
        self.head = nn.ConvTranspose2d(16, 1, 7, stride=2, padding=3, output_padding=1)
        nn.init.constant_(self.head.bias, -4.0 if activation == "sigmoid" else 0.0)  # type: ignore[arg-type]
        for module in (*self.bottleneck.modules(), *self.decoder.modules()):
            if isinstance(module, nn.Conv2d):  # as the encoder begins
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        # Of the encoder's stages but the last, the finest first; drawn after all else.
        self.lateral = nn.ModuleList()
        for inputs, outputs in ((64, 16), (128, 32), (256, 64)) if skips else ():
            convolution = nn.Conv2d(inputs, outputs, 1, bias=False)
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
            self.lateral.append(nn.Sequential(convolution, nn.BatchNorm2d(outputs)))

    def forms_on(self, device: torch.device) -> Forms:
        """The forms of layers that are used for inputs on a device."""
        if torch.compiler.is_compiling():
            # Compilers and exported files know the layers better as they are written down, and
            # what they trace with must not be kept for later calls.
            return _AS_WRITTEN
        return Forms.for_device(device) if self.forms is None else self.forms

    def forward(
        self, x: Tensor, size: tuple[int, int] | None = None, window: Window | None = None
    ) -> Tensor:
        """Logits, before the activation.

        Args:
            x: float (N, channels, H, W), normalised, H and W at least 32.
            size: (H, W) if ``x`` is in blocks of 2 x 2 pixels instead, which the form ``stem``
                reads: see :func:`nsa.images.to_network_input`.
            window: where ``x`` lies, if it is a tile of a larger image: logits are then those of
                one pass over that image, except near the tile's inner borders
                (:mod:`nsa.model.tiling`).

        Returns:
            float (N, 1, H, W).

        Raises:
            InputError: the window does not begin at multiples of 32.
        """
        height, width = x.shape[-2:] if size is None else size
        forms = self.forms_on(x.device)
        features = self.features(x, forms, in_blocks=size is not None)
        logits = self.enlarge(features, forms, None if window is None else place_of(window))
        return cover(logits, (height, width))

    def features(self, x: Tensor, forms: Forms, *, in_blocks: bool = False) -> Tensor:
        """What :meth:`enlarge` takes of the input of :meth:`forward`."""
        if forms.stem or in_blocks:
            features: Tensor = layers.stem(x, cast(Tensor, self.encoder[0].weight))
            features = self.encoder[1:4](features)
        elif torch.compiler.is_compiling() and _POOLING_ASKS:
            features = self.encoder[:3](x)
            rows, columns = (2 * ((side + 1) // 2) - side for side in features.shape[2:])
            # Zeros change no maximum after a ReLU.
            features = self.encoder[3](F.pad(features, (0, columns, 0, rows)))
        elif self.training or torch.is_grad_enabled() or torch.compiler.is_compiling():
            features = self.encoder[:4](x)
        else:
            weight, norm = cast(Tensor, self.encoder[0].weight), self.encoder[1]
            finish = self.encoder[2:4]
            features = layers.stem_by_parts(x, weight, cast(nn.BatchNorm2d, norm), finish)
        finer = []
        for stage, lateral in itertools.zip_longest([*self.encoder][4:], self.lateral):
            features = stage(features)
            if lateral is not None:
                finer.append(lateral(features))
        features = self.bottleneck(features)
        for block in self.decoder:
            features = block(features, forms.decoder)
            if finer:
                features = add_finer(features, finer.pop())
        return features

    def enlarge(self, features: Tensor, forms: Forms, place: layers.Place | None) -> Tensor:
        """Logits, (N, 1, 4 H, 4 W), from features (N, 16, H, W) at a place in all of them."""
        before, after = layers.HEAD_MARGIN if forms.head else (0, 0)
        if forms.upsampling or place is not None:
            # A tile is interpolated as exactly as the whole would be.
            positions = torch.float64 if forms.upsampling else features.dtype
            features = layers.upsample(features, (before, after), place, positions)
        else:
            features = F.interpolate(
                features, scale_factor=2.0, mode="bilinear", align_corners=True
            )
            if forms.head:
                features = F.pad(features, (before, after, before, after))
        if forms.head:
            return layers.transposed_convolution(features, self.head.weight, self.head.bias)
        logits: Tensor = self.head(features)
        return logits

    def predict(self, x: Tensor, window: Window | None = None) -> Tensor:
        """The anomaly map: :meth:`forward` followed by the activation, float32 (N, 1, H, W)."""
        return self.activate(self(x, window=window))

    def activate(self, logits: Tensor) -> Tensor:
        """The anomaly map of logits, float32."""
        logits = logits.float()
        return torch.sigmoid(logits) if self.activation == "sigmoid" else torch.relu(logits)


def add_finer(x: Tensor, finer: Tensor) -> Tensor:
    """The ReLU of the sum of a decoder's features and those of the encoder of the same scale.

    Args:
        x: (N, C, H, W).
        finer: (N, C, h, w), with h <= H and w <= W: zeros follow at the bottom and on the right.
    """
    rows, columns = x.shape[2] - finer.shape[2], x.shape[3] - finer.shape[3]
    if torch.compiler.is_compiling() or rows or columns:  # a compiler is to ask nothing of a size
        finer = F.pad(finer, (0, columns, 0, rows))
    return F.relu(x + finer, inplace=True)


def cover(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Of logits of whole strides those of an image of (height, width)."""
    # Every stage rounds up, so the output covers the input and is aligned at the top left. What is
    # beyond it is given as a remainder, which exporters know to be there for any size.
    rows, columns = (-side % STRIDE for side in size)
    return F.pad(logits, (0, -columns, 0, -rows))


def place_of(window: Window) -> layers.Place:
    """Where the features of a window lie that the last interpolation reads, 8 for 32 px."""
    if window.top % STRIDE or window.left % STRIDE:
        raise InputError(f"A window must begin at multiples of {STRIDE} px, got {window}.")

    def along(begin: int, side: int) -> tuple[int, int]:
        return 8 * (begin // STRIDE), 8 * -(-side // STRIDE)

    return along(window.top, window.height), along(window.left, window.width)
