"""What turns gradients into steps: Adam, as in the paper, or Muon, which learns more in fewer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from nsa.settings.config import OptimizerName

# Of Muon (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024).
MOMENTUM = 0.9
# Length of its steps as multiples of the learning rate: 0.02 where Adam's is 0.001.
_LENGTH = 20.0
# Odd polynomials a x + b x^3 + c x^5, applied in turn: each brings singular values as near to 1 as
# one of its degree can, those from 0.01 to 1 to within 0.27 in the end (minimax, as those of Amsel
# et al., "The Polar Express", 2025). Values above 1 would fly off, so that rounding has a margin.
_QUINTICS = (
    (8.0934, -23.6204, 17.4462),
    (3.6366, -2.7219, 0.5365),
    (2.6613, -1.9772, 0.4526),
)
_MARGIN = 1.02
_SMALLEST_NORM = 1e-7
# Kernels with more rows would be 86 % of the arithmetic, and gain nothing (docs/explain/recipe.md).
_MOST_ROWS = 256
# The names of their state, by parameter.
ADAM_STATE, MUON_STATE = ("exp_avg", "exp_avg_sq", "step"), ("momentum_buffer",)
_STEP = ADAM_STATE[2]


def make_optimizer(
    name: OptimizerName,
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    device: torch.device,
    *,
    half: bool = False,
    captured: bool = False,
) -> torch.optim.Optimizer:
    """The optimiser of a network.

    Args:
        name: ``"adam"`` or ``"muon"``, see :class:`Muon`.
        parameters: of the network, on its device.
        learning_rate: of the first step.
        device: where they are.
        half: multiply Muon's matrices in bfloat16, as the network's.
        captured: by a CUDA graph, for which the learning rate is a tensor on the device.
    """
    rate = torch.tensor(learning_rate, dtype=torch.float32, device=device)
    options: dict[str, Any] = {
        "lr": rate if captured else learning_rate,
        "fused": device.type in ("cpu", "cuda"),
        "capturable": captured,
    }
    if name == "muon":
        return Muon(parameters, torch.bfloat16 if half else torch.float32, **options)
    return Adam(parameters, **options)


class Adam(torch.optim.Adam):
    """Torch's, which is told of kernels in the order of their memory.

    Half of the time of its fused kernel for CPUs goes into copies of what is laid out
    channels-last, and it misreads gradients and moments whose layout is not their parameter's.
    """

    def _init_group(self, group: dict[str, Any], *lists: list[Tensor]) -> bool:
        """Fills lists with parameters, and with gradients and moments in the same order."""
        for parameter in group["params"]:
            for name, values in self.state[parameter].items() if parameter.is_cpu else ():
                if name != _STEP:  # as it was loaded
                    self.state[parameter][name] = _laid_out_as(parameter, values)
        has_complex: bool = super()._init_group(group, *lists)  # type: ignore[no-untyped-call]
        parameters, gradients, first, second, *_ = lists
        for number, parameter in enumerate(parameters):
            if parameter.is_cpu:
                gradients[number] = _laid_out_as(parameter, gradients[number])
                for tensors in (parameters, gradients, first, second):
                    tensors[number] = _in_memory_of(parameter, tensors[number])
        return has_complex


class Muon(torch.optim.Optimizer):
    """Moves convolution kernels by their orthogonalised momentum, all else by Adam.

    A kernel is a matrix M of a row for each index of its first dimension. With the gradient G, its
    momentum is B = 0.9 B + 0.1 G, and it moves by -20 r sqrt(max(1, rows / columns)) times
    0.9 B + 0.1 G, see :func:`orthogonalized`, where r is the learning rate, which is Adam's. So it
    moves as far in every direction of its space, not mostly in the few that dominate its gradient.

    :func:`moved_by_muon` says which kernels these are. There are two groups of parameters: all
    others, and those kernels.

    Args:
        parameters: of a network.
        dtype: of the products of matrices.
        options: of :class:`torch.optim.Adam`; the learning rate is for both.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], dtype: torch.dtype, **options: Any
    ) -> None:
        others: list[nn.Parameter] = []
        kernels: list[nn.Parameter] = []
        for parameter in parameters:
            (kernels if moved_by_muon(parameter) else others).append(parameter)
        self._dtype = dtype
        self._adam = Adam(others, **options)
        super().__init__([*self._adam.param_groups, {"params": kernels}], self._adam.defaults)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_adam": self._adam, "_dtype": self._dtype}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move all parameters that have a gradient.

        Args:
            closure: computes the loss and the gradients first, as for any optimiser.

        Returns:
            The loss of the closure.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        others, kernels = self.param_groups
        # A state that was loaded is another object.
        self._adam.param_groups, self._adam.state = [others], self.state
        self._adam.step()
        for group in _worked_on_together(kernels["params"]):
            self._move(group, kernels["lr"])
        return loss

    def _move(self, kernels: list[nn.Parameter], learning_rate: float | Tensor) -> None:
        """Kernels that have a gradient; the learning rate may be a tensor on their device."""
        gradients = [kernel.grad for kernel in kernels if kernel.grad is not None]
        (name,) = MUON_STATE
        for kernel in kernels:
            if not self.state[kernel]:
                self.state[kernel][name] = torch.zeros_like(kernel)
        momenta = [self.state[kernel][name] for kernel in kernels]
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        sides = [_sides(kernel) for kernel in kernels]
        shape = len(kernels), min(sides[0]), max(max(pair) for pair in sides)
        padded = any(max(pair) < shape[2] for pair in sides)
        make = kernels[0].new_zeros if padded else kernels[0].new_empty
        matrices = make(shape, dtype=self._dtype)
        each = zip(kernels, matrices, gradients, momenta, sides, strict=True)
        for kernel, matrix, gradient, momentum, (rows, columns) in each:
            start, end = (_in_memory_of(kernel, one).flatten(1) for one in (gradient, momentum))
            _part(matrix, rows, columns).copy_(torch.lerp(start, end, MOMENTUM))
        moves, length = orthogonalized(matrices), _LENGTH
        if isinstance(learning_rate, Tensor):
            moves = moves.float() * learning_rate
        else:
            length *= learning_rate
        for kernel, move, (rows, columns) in zip(kernels, moves, sides, strict=True):
            stretched = length * max(1.0, rows / columns) ** 0.5
            part = _part(move, rows, columns)
            _in_memory_of(kernel, kernel).view(rows, columns).sub_(part, alpha=stretched)


def _worked_on_together(kernels: Iterable[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Those that have a gradient, by their shape.

    Or on a GPU, where a few launches less are worth more than operations on zeros, by the length of
    their shorter side.
    """
    groups: dict[Any, list[nn.Parameter]] = defaultdict(list)
    for kernel in kernels:
        if kernel.grad is not None:
            groups[min(_sides(kernel)) if kernel.is_cuda else kernel.shape].append(kernel)
    return list(groups.values())


def _sides(kernel: Tensor) -> tuple[int, int]:
    """Rows and columns of it as a matrix."""
    return len(kernel), kernel[:1].numel()


def _in_memory_of(parameter: Tensor, values: Tensor) -> Tensor:
    """Values of a parameter in the order of its memory, on which no product depends."""
    return values.permute(0, 2, 3, 1) if _is_channels_last(parameter) else values


def _is_channels_last(parameter: Tensor) -> bool:
    """Whether it is, and not as well what tensors usually are."""
    usual = parameter.ndim != 4 or parameter.is_contiguous()
    return not usual and parameter.is_contiguous(memory_format=torch.channels_last)


def _laid_out_as(parameter: Tensor, values: Tensor) -> Tensor:
    """The values, or a copy of them where the parameter has other strides."""
    if values.stride() == parameter.stride():
        return values
    return torch.empty_like(parameter, requires_grad=False).copy_(values)


def _part(wide: Tensor, rows: int, columns: int) -> Tensor:
    """A matrix of so many rows and columns, as it lies in one that has at most as many rows."""
    part = wide[:, : max(rows, columns)]
    return part.mT if rows > columns else part


def moved_by_muon(parameter: Tensor) -> bool:
    """Whether :class:`Muon` moves it as a matrix: a kernel of a convolution, of up to 256 rows."""
    return parameter.ndim == 4 and len(parameter) <= _MOST_ROWS


def orthogonalized(matrices: Tensor) -> Tensor:
    """About the nearest matrices to these whose rows are orthonormal.

    With the singular value decomposition U diag(s) V^T of each, U diag(f(s / |s|)) V^T: f is a
    polynomial that is between 0.7 and 1.3 except near 0, so that nothing has to be decomposed.

    Args:
        matrices: (n, rows, columns), no more rows than columns; columns of zeros stay.

    Returns:
        The same shape and dtype.
    """
    # Each polynomial of x is a factor times x, and all factors are polynomials of x's square, so
    # that they commute: no more than two products of matrices have long rows. Nor is x divided by
    # its norm for that, but its square, whose trace is the norm's.
    square = matrices @ matrices.mT
    trace = square.diagonal(dim1=1, dim2=2).sum(
        1, dtype=torch.promote_types(square.dtype, torch.float32)
    )
    norm = (_MARGIN * trace.sqrt()).clamp_min(_SMALLEST_NORM)[:, None, None]
    square = (square / norm**2).to(matrices.dtype)
    factor = _factor(square, *_QUINTICS[0])
    product = factor
    for quintic in _QUINTICS[1:]:
        square = factor @ square @ factor
        factor = _factor(square, *quintic)
        product = factor @ product
    return (product / norm).to(matrices.dtype) @ matrices


def _factor(square: Tensor, first: float, third: float, fifth: float) -> Tensor:
    """What an odd polynomial of a matrix is that matrix times, from the matrix's square."""
    factor = torch.baddbmm(square, square, square, beta=third, alpha=fifth)
    factor.diagonal(dim1=1, dim2=2).add_(first)
    return factor
