"""The network as it judges on a CPU: the same function of an image, without what training needs.

See :mod:`nsa.model.folding`. For one image of 256 px it takes some two thirds of the network's own
time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from nsa.model import layers
from nsa.model.encoder_decoder import EncoderDecoder, UpBlock, add_finer, cover, place_of
from nsa.model.folding import FoldedConvolution, folded
from nsa.model.forms import Forms
from nsa.model.resnet import ResidualBlock

_HEAD = Forms(head=True)  # takes a third of the time that the layer as it is written takes
_LARGE = 1 << 20  # pixels from which on the first layer is computed in parts, to save memory
_PARTS = 4


class FoldedNetwork(nn.Module):
    """An :class:`EncoderDecoder` in evaluation mode, on a CPU.

    It keeps copies of the weights: what is trained later it does not know.
    """

    def __init__(self, network: EncoderDecoder) -> None:
        super().__init__()
        encoder = network.encoder
        weight, bias = folded(
            cast(Tensor, encoder[0].weight), None, cast(nn.BatchNorm2d, encoder[1])
        )
        assert bias is not None
        # In parts that are computed one after the other.
        self.stem = nn.ModuleList(
            FoldedConvolution(part, shift, (2, 2), (3, 3), activation="relu")
            for part, shift in zip(weight.chunk(_PARTS), bias.chunk(_PARTS), strict=True)
        )
        self.whole_stem = FoldedConvolution(weight, bias, (2, 2), (3, 3), activation="relu")
        self.pool = cast(nn.MaxPool2d, encoder[3])
        self.stages = nn.ModuleList(
            nn.Sequential(*(_Residual(cast(ResidualBlock, block)) for block in stage.children()))
            for stage in (*encoder.children(),)[4:]
        )
        self.lateral = nn.ModuleList(
            FoldedConvolution.of(*cast(tuple[nn.Conv2d, nn.BatchNorm2d], tuple(lateral)))
            for lateral in cast(Iterable[nn.Sequential], network.lateral)
        )
        convolutions = [layer for layer in network.bottleneck if isinstance(layer, nn.Conv2d)]
        self.bottleneck = nn.Sequential(
            *(FoldedConvolution.of(layer, activation="relu") for layer in convolutions)
        )
        self.decoder = nn.Sequential(*(_Up(cast(UpBlock, block)) for block in network.decoder))
        self.network = network  # its last layers, which are small

    def forward(self, x: Tensor, window: layers.Window | None = None) -> Tensor:
        """Logits, as :meth:`EncoderDecoder.forward`."""
        height, width = x.shape[2:]
        x = self._begin(x.contiguous(memory_format=torch.channels_last))
        finer = []
        for stage, lateral in itertools.zip_longest(self.stages, self.lateral):
            x = stage(x)
            if lateral is not None:
                finer.append(lateral(x))
        x = self.bottleneck(x)
        for block in self.decoder:
            x = block(x)
            if finer:
                x = add_finer(x, finer.pop())
        place = None if window is None else place_of(window)
        return cover(self.network.enlarge(x, _HEAD, place), (height, width))

    def predict(self, x: Tensor, window: layers.Window | None = None) -> Tensor:
        """The anomaly map, as :meth:`EncoderDecoder.predict`."""
        return self.network.activate(self(x, window))

    def _begin(self, x: Tensor) -> Tensor:
        """The first convolution and the pooling: the widest layers, at a quarter of the pixels."""
        count, _, height, width = x.shape
        if count * height * width < _LARGE:
            pooled: Tensor = self.pool(self.whole_stem(x))
            return pooled
        # Made before what is needed for a while, so that no part of it keeps that memory in pieces.
        shape = count, -(-height // 4), -(-width // 4), _PARTS, 64 // _PARTS
        result = x.new_empty(shape)
        for number, part in enumerate(self.stem):
            result[:, :, :, number] = self.pool(part(x)).permute(0, 2, 3, 1)
        return result.flatten(3).permute(0, 3, 1, 2)


class _Residual(nn.Module):
    """A block of the encoder."""

    def __init__(self, block: ResidualBlock) -> None:
        super().__init__()
        self.first = FoldedConvolution.of(block.conv1, block.bn1, "relu")
        self.second = FoldedConvolution.of(block.conv2, block.bn2, "relu")
        self.shortcut = None
        if block.downsample is not None:
            convolution, norm = cast(tuple[nn.Conv2d, nn.BatchNorm2d], tuple(block.downsample))
            self.shortcut = FoldedConvolution.of(convolution, norm)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.first(x)
        added: Tensor = self.second(residual, x if self.shortcut is None else self.shortcut(x))
        return added


class _Up(nn.Module):
    """A block of the decoder."""

    def __init__(self, block: UpBlock) -> None:
        super().__init__()
        up, bias = folded(block.up.weight, None, block.up_norm, axis=1)
        shortcut, shift = folded(block.shortcut.weight, None, block.shortcut_norm, axis=1)
        self.up, self.up_bias = up, bias
        self.shortcut, self.shortcut_bias = shortcut, shift
        self.conv = FoldedConvolution.of(block.conv, block.conv_norm, "relu")

    def forward(self, x: Tensor) -> Tensor:
        up = F.conv_transpose2d(x, self.up, self.up_bias, 2, 1, 1).relu_()
        shortcut = F.conv_transpose2d(x, self.shortcut, self.shortcut_bias, 2, 0, 1)
        up, shortcut = (
            part.contiguous(memory_format=torch.channels_last) for part in (up, shortcut)
        )
        added: Tensor = self.conv(up, shortcut)
        return added
