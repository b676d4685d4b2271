"""Muon, against the singular value decomposition, torch's own for matrices, and Adam."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from nsa.model import EncoderDecoder
from nsa.settings.config import OPTIMIZERS, OptimizerName
from nsa.training import optimizer
from nsa.training.optimizer import (
    _MARGIN,
    _QUINTICS,
    MOMENTUM,
    Muon,
    _worked_on_together,
    make_optimizer,
    moved_by_muon,
    orthogonalized,
)

CPU = torch.device("cpu")
SHAPES = [(1, 1, 1), (3, 1, 7), (2, 5, 5), (4, 64, 147), (1, 64, 65)]


def decomposed(matrices: Tensor) -> Tensor:
    """What :func:`orthogonalized` stands for: its polynomial, of every singular value."""
    u, s, v = torch.linalg.svd(matrices.double(), full_matrices=False)
    s = s / s.square().sum(-1, keepdim=True).sqrt() / _MARGIN
    for first, third, fifth in _QUINTICS:
        s = first * s + third * s**3 + fifth * s**5
    return u * s[:, None] @ v


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_become_one(shape: tuple[int, int, int], fresh_seed: int) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(fresh_seed)).double()
    found = orthogonalized(matrices)
    torch.testing.assert_close(found, decomposed(matrices), rtol=0, atol=1e-9)
    before, after = torch.linalg.svdvals(matrices), torch.linalg.svdvals(found)
    assert after.max() < 1.28
    # Random square ones have values near 0, which no polynomial of this degree lifts as far.
    large = before.min() > 0.0103 * torch.linalg.matrix_norm(matrices).max()
    assert after.min() > 0.72 or not large


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-3), (torch.bfloat16, 0.3)])
def test_products_may_be_rounded(
    shape: tuple[int, int, int], dtype: torch.dtype, bound: float, fresh_seed: int
) -> None:
    """The error of a whole matrix beside its length; most where there is one singular value."""
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(fresh_seed)) * 1e-3
    found, wanted = orthogonalized(matrices.to(dtype)), decomposed(matrices)
    assert found.dtype == dtype
    error = torch.linalg.matrix_norm(found.double() - wanted) / torch.linalg.matrix_norm(wanted)
    assert error.max() < bound


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_single_direction_does_not_fly_off(dtype: torch.dtype, fresh_seed: int) -> None:
    """Its singular value is the norm itself, which rounding may take beyond."""
    generator = torch.Generator().manual_seed(fresh_seed)
    for rows, columns in ((1, 1), (64, 64), (256, 2304), (70, 200)):
        left = torch.randn(4, rows, 1, generator=generator)
        right = torch.randn(4, 1, columns, generator=generator)
        found = orthogonalized((left * right).to(dtype))
        assert torch.linalg.matrix_norm(found.float(), 2).max() < 1.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_no_gradient_is_no_direction(dtype: torch.dtype) -> None:
    zeros = orthogonalized(torch.zeros(2, 64, 70, dtype=dtype))
    assert torch.equal(zeros, torch.zeros(2, 64, 70, dtype=dtype))


class Mixed(nn.Module):
    """Kernels that are moved by Muon, of two shapes, one of them tall, and what is not."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        for name, shape in (
            ("wide", (64, 16, 3, 3)), ("other", (64, 16, 3, 3)), ("tall", (128, 64, 1, 1)),
            ("great", (257, 8, 3, 3)), ("vector", (70,)),
        ):  # fmt: skip
            setattr(self, name, nn.Parameter(torch.randn(shape, generator=generator)))

    def slopes(self, generator: torch.Generator) -> None:
        """Give every parameter a random gradient."""
        for parameter in self.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)


def run(model: Mixed, moved_by: torch.optim.Optimizer, seed: int, steps: range) -> None:
    for step in steps:
        model.slopes(torch.Generator().manual_seed(seed + step))
        for group in moved_by.param_groups:
            group["lr"] = 1e-3 / (1 + step)
        moved_by.step()


def muon(model: nn.Module, *, half: bool = False) -> Muon:
    made = make_optimizer("muon", model.parameters(), 1e-3, CPU, half=half)
    assert isinstance(made, Muon)
    return made


@pytest.mark.parametrize(("on_gpu", "groups"), [(False, 2), (True, 1)])
def test_a_step_is_what_its_docstring_says(
    on_gpu: bool, groups: int, fresh_seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Muon's kernels by the decomposition, all else as by Adam alone.

    Kernels are worked on with others of their shape, or as on a GPU with all of their side, padded.
    """
    monkeypatch.setattr(nn.Parameter, "is_cuda", on_gpu)
    model, adams = Mixed(fresh_seed), Mixed(fresh_seed)
    expected = {name: one.detach().clone().double() for name, one in model.named_parameters()}
    momenta = {name: torch.zeros_like(one) for name, one in expected.items()}
    ours = muon(model)
    adam = make_optimizer("adam", adams.parameters(), 1e-3, CPU)
    run(model, ours, fresh_seed, range(3))
    run(adams, adam, fresh_seed, range(3))
    assert len(_worked_on_together(ours.param_groups[1]["params"])) == groups
    for step in range(3):
        adams.slopes(torch.Generator().manual_seed(fresh_seed + step))
        for name, parameter in adams.named_parameters():
            assert parameter.grad is not None
            slope = parameter.grad.double()
            momenta[name].mul_(MOMENTUM).add_(slope, alpha=1 - MOMENTUM)
            if moved_by_muon(parameter):
                nesterov = MOMENTUM * momenta[name] + (1 - MOMENTUM) * slope
                matrix = decomposed(nesterov.flatten(1)[None])[0]
                length = 20 * 1e-3 / (1 + step) * max(1, matrix.shape[0] / matrix.shape[1]) ** 0.5
                expected[name] -= length * matrix.view(slope.shape)
    for (name, parameter), other in zip(model.named_parameters(), adams.parameters(), strict=True):
        if moved_by_muon(parameter):
            assert name in {"wide", "other", "tall"}
            torch.testing.assert_close(parameter.double(), expected[name], rtol=0, atol=1e-5)
        else:
            assert name in {"great", "vector"}
            assert torch.equal(parameter, other)


def test_matrices_move_as_by_the_muon_of_torch(
    fresh_seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which multiplies in bfloat16, has one polynomial, and knows neither kernels nor Adam."""
    quintic = (3.4445, -4.7750, 2.0315)
    monkeypatch.setattr(optimizer, "_QUINTICS", (quintic,) * 5)
    monkeypatch.setattr(optimizer, "_MARGIN", 1.0)
    model = Mixed(fresh_seed)
    kernels = [model.wide, model.other, model.tall]
    start = [kernel.detach().clone() for kernel in kernels]
    matrices = [nn.Parameter(one.flatten(1).clone()) for one in start]
    theirs = torch.optim.Muon(
        matrices, lr=0.02, momentum=MOMENTUM, weight_decay=0, ns_coefficients=quintic,
        ns_steps=5,
    )  # fmt: skip
    ours = muon(model, half=True)
    for step in range(3):
        model.slopes(torch.Generator().manual_seed(fresh_seed + step))
        for kernel, matrix in zip(kernels, matrices, strict=True):
            assert kernel.grad is not None
            matrix.grad = kernel.grad.flatten(1).clone()
        ours.step()
        theirs.step()
    for kernel, matrix, before in zip(kernels, matrices, start, strict=True):
        moved, wanted = (kernel - before).flatten(1), matrix - before.flatten(1)
        assert torch.linalg.norm(moved - wanted) < 0.06 * torch.linalg.norm(wanted)


def test_a_state_that_is_loaded_goes_on(fresh_seed: int) -> None:
    """As integrations save it; a closure is called first, with gradients."""
    whole, half = Mixed(fresh_seed), Mixed(fresh_seed)
    run(whole, muon(whole), fresh_seed, range(4))
    first = muon(half)
    run(half, first, fresh_seed, range(2))
    second = muon(half)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert pickle.loads(pickle.dumps(second))._dtype == torch.float32
    run(half, second, fresh_seed, range(2, 4))
    for one, other in zip(whole.parameters(), half.parameters(), strict=True):
        assert torch.equal(one, other)

    def closure() -> float:
        assert torch.is_grad_enabled()
        half.slopes(torch.Generator().manual_seed(1))
        return 7.0

    before = half.wide.detach().clone()
    assert second.step(closure) == 7
    assert not torch.equal(before, half.wide)


def test_a_parameter_without_a_gradient_stays(fresh_seed: int) -> None:
    model = Mixed(fresh_seed)
    before = copy.deepcopy(model.state_dict())
    ours = muon(model)
    model.slopes(torch.Generator().manual_seed(fresh_seed))
    model.wide.grad = model.tall.grad = None
    ours.step()
    still = {name for name, one in model.state_dict().items() if torch.equal(one, before[name])}
    assert still == {"wide", "tall"}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("gradients", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("kernels", [torch.contiguous_format, torch.channels_last])
def test_the_memory_layout_decides_nothing(
    kernels: torch.memory_format,
    gradients: torch.memory_format,
    name: OptimizerName,
    fresh_seed: int,
) -> None:
    """Of kernels, and of gradients, which may have another."""
    plain, other = Mixed(fresh_seed), Mixed(fresh_seed).to(memory_format=kernels)  # type: ignore[call-overload]
    ours, theirs = (make_optimizer(name, one.parameters(), 1e-3, CPU) for one in (plain, other))
    for step in range(2):
        plain.slopes(torch.Generator().manual_seed(fresh_seed + step))
        for one, two in zip(plain.parameters(), other.parameters(), strict=True):
            assert one.grad is not None
            layout = gradients if one.ndim == 4 else torch.contiguous_format
            two.grad = one.grad.clone(memory_format=layout)
        ours.step()
        theirs.step()
        theirs.load_state_dict(copy.deepcopy(ours.state_dict()))  # in the other layout
    for one, two in zip(plain.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-5)


def test_a_learning_rate_may_be_a_tensor(fresh_seed: int) -> None:
    """On a GPU a captured graph reads it from its memory."""
    model, other = Mixed(fresh_seed), Mixed(fresh_seed)
    plain, captured = muon(model), muon(other)
    for group in captured.param_groups:
        group["lr"] = torch.tensor(1e-3)
    model.slopes(torch.Generator().manual_seed(fresh_seed))
    other.slopes(torch.Generator().manual_seed(fresh_seed))
    plain.step()
    captured.step()
    for name in ("wide", "other", "tall"):
        torch.testing.assert_close(getattr(model, name), getattr(other, name), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("skips", [False, True])
def test_muon_moves_all_kernels_but_those_of_the_last_stage(skips: bool) -> None:
    model = EncoderDecoder(skips=skips)
    kernels = {name for name, one in model.named_parameters() if one.ndim == 4}
    moved = {name for name, one in model.named_parameters() if moved_by_muon(one)}
    assert moved < kernels
    assert all(name.startswith("encoder.layer4.") for name in kernels - moved)
    grouped = [one for group in muon(model).param_groups for one in group["params"]]
    assert len(grouped) == len(set(grouped)) == len(list(model.parameters()))
