"""Batch normalisation over the images of all processes, so that their number changes no result.

``torch.nn.SyncBatchNorm`` does this on GPUs only; on a CPU the module below stands in for it. Both
have the parameters, buffers and checkpoint entries of ``torch.nn.BatchNorm2d``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F  # noqa: N812

_AXES = (0, 2, 3)


class SyncBatchNorm2d(nn.BatchNorm2d):
    """:class:`torch.nn.BatchNorm2d` on a CPU, with the statistics of all processes in training.

    A process may have fewer images than another, or none.
    """

    group: distributed.ProcessGroup | None = None

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape and type."""
        if not self.training:
            return super().forward(input)
        assert self.num_batches_tracked is not None  # as the network's layers are made
        self.num_batches_tracked.add_(1)
        output, mean, variance, count = _Normalise.apply(  # type: ignore[no-untyped-call]
            input, self.weight, self.bias, self.eps, self.group
        )
        with torch.no_grad():
            assert self.momentum is not None
            assert self.running_mean is not None
            assert self.running_var is not None
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        return output  # type: ignore[no-any-return]


class SyncBatchNormOfAny(nn.SyncBatchNorm):
    """:class:`torch.nn.SyncBatchNorm` for processes that may have no image at all."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape and type."""
        if input.numel():
            return super().forward(input)
        # Torch sends moments in float32, but without images zeros of the input's own type.
        return super().forward(input.float()).to(input.dtype)


class _Normalise(torch.autograd.Function):
    """One exchange forward and one backward, each of two numbers a channel."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
        group: distributed.ProcessGroup | None,
    ) -> tuple[Tensor, Tensor, Tensor, float]:
        # Moments about zero lose digits where the mean is large; float64 has them to spare.
        moments = torch.zeros(2, x.shape[1], dtype=torch.float64, device="cpu")
        own = x.numel() // x.shape[1]
        if own:
            variance, mean = torch.var_mean(x.to(weight.dtype), _AXES, correction=0)
            moments[0] = own * mean.double()
            moments[1] = own * (variance.double() + mean.double().square())
        sums = torch.cat(
            [moments.flatten(), torch.tensor([own], dtype=torch.float64, device="cpu")]
        )
        distributed.all_reduce(sums, group=group)
        count = float(sums[-1])
        first, second = (sums[:-1] / count).view(2, -1)
        mean = first.to(weight.dtype)
        variance = (second - first.square()).clamp_(min=0).to(weight.dtype)
        ctx.save_for_backward(x, weight, mean, (variance + eps).rsqrt())
        ctx.count, ctx.group = count, group
        ctx.mark_non_differentiable(mean, variance)
        output = F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)
        return output, mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, None, None]:
        x, weight, mean, inverse = ctx.saved_tensors
        column = (-1, 1, 1)
        outer = gradient.to(weight.dtype)  # float32 where the network computes in bfloat16
        centred = x.to(weight.dtype) - mean.view(column)
        own = torch.stack([outer.sum(_AXES), (outer * centred).sum(_AXES)])
        sums = own.to(torch.float64, copy=True)
        distributed.all_reduce(sums, group=ctx.group)
        mean_outer, mean_product = (sums / ctx.count).to(weight.dtype)
        slope = (mean_product * inverse.square()).view(column)
        inner = (outer - mean_outer.view(column)).sub_(centred.mul_(slope))
        inner.mul_((weight * inverse).view(column))
        # Those of weight and bias are of the own images only: they are summed with all others.
        return inner.to(x.dtype), own[1] * inverse, own[0], None, None


def synchronise(module: nn.Module, group: distributed.ProcessGroup | None) -> nn.Module:
    """Let every ``BatchNorm2d`` below ``module`` see the images of all processes.

    Args:
        module: changed in place; parameters and buffers stay the very same tensors.
        group: the processes; None: all. On a GPU its backend must be NCCL.
    """
    for name, child in module.named_children():
        if not isinstance(child, nn.BatchNorm2d):
            synchronise(child, group)
            continue
        shape = (child.num_features, child.eps, child.momentum)
        if child.weight.is_cuda:
            layer: nn.Module = SyncBatchNormOfAny(*shape, process_group=group)
        else:
            layer = SyncBatchNorm2d(*shape)
            layer.group = group
        for kind in ("_parameters", "_buffers"):
            getattr(layer, kind).update(getattr(child, kind))
        layer.train(child.training)
        setattr(module, name, layer)
    return module
