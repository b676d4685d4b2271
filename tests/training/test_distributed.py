"""Two processes on one machine train as one process does."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parents[1]))
from ranks import finish, start_ranks
from test_loop import pictures, steps, trainer
from two_ranks import STEPS, layer_case, train

from nsa import NSA
from nsa.errors import InputError
from nsa.plan.table import SOURCE
from nsa.training import load_checkpoint
from nsa.training.distributed import ALONE, Ranks
from nsa.training.fingerprint import Fingerprint, compare
from nsa.training.share import share_of, take_share
from nsa.training.sync_batch_norm import SyncBatchNormOfAny

Pair = list[dict[str, Any]]

# Sums over other groups of images round otherwise, by some 1e-7. From the second step on this
# grows, as Adam divides every gradient by its size, the smallest ones too. Initial weights that
# are changed by 1e-7 of their size take these losses further apart.
FIRST_LOSS, FIRST_GRADIENTS, LATER_LOSSES = 1e-6, 1e-2, 1e-3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def alone(folder: Path) -> list[float]:
    """Losses of one process, which leaves its states as the pair does."""
    (folder / "alone").mkdir()
    return train(ALONE, folder / "alone")


@pytest.fixture(scope="module")
def pair(folder: Path, alone: list[float]) -> Pair:
    """What two processes found."""
    del alone  # but its checkpoint is there
    ranks = start_ranks(2, Path(__file__).with_name("two_ranks.py"), folder)
    said = finish(ranks)
    assert [process.returncode for process in ranks] == [0, 0], said
    return [torch.load(folder / f"rank{number}") for number in range(2)]


@pytest.mark.parametrize("total", [7, 1])  # shares of 3 and 4, and of 0 and 1
def test_batch_normalisation_sees_all_images(pair: Pair, total: int) -> None:
    x, outer, layer = layer_case(total)
    x.requires_grad_()
    y = layer(x)
    (y * outer).sum().backward()
    one, two = (rank[f"layer{total}"] for rank in pair)
    torch.testing.assert_close(torch.cat([one["y"], two["y"]]), y.detach())
    torch.testing.assert_close(torch.cat([one["x"], two["x"]]), x.grad)
    torch.testing.assert_close(one["weight"] + two["weight"], layer.weight.grad)
    torch.testing.assert_close(one["bias"] + two["bias"], layer.bias.grad)
    for name, value in layer.named_buffers():
        for rank in (one, two):
            torch.testing.assert_close(rank[name], value)


def test_losses_are_those_of_one_process(pair: Pair, alone: list[float]) -> None:
    one, two = (rank["losses"] for rank in pair)
    assert one == two
    assert len(one) == STEPS
    assert one[0] == pytest.approx(alone[0], rel=FIRST_LOSS)
    assert one[1:] == pytest.approx(alone[1:], rel=LATER_LOSSES)


@pytest.mark.usefixtures("pair")
def test_the_first_update_is_that_of_one_process(folder: Path) -> None:
    one, two = load_file(folder / "alone" / "first"), load_file(folder / "together" / "first")
    assert one.keys() == two.keys()
    for name, value in one.items():
        if name.endswith("/exp_avg"):  # a tenth of the gradient
            assert (two[name] - value).norm() < FIRST_GRADIENTS * value.norm(), name
        elif "running" in name:
            torch.testing.assert_close(two[name], value)
        elif name.startswith("model/"):
            # A gradient that is all rounding moves its weight by the learning rate, either way.
            far = (two[name] - value).abs() > 1e-5
            assert far.float().mean() < 0.01, name


@pytest.mark.usefixtures("pair")
def test_one_process_continues_what_two_began(folder: Path) -> None:
    whole, resumed = trainer(pictures(7)), trainer(pictures(7))
    load_checkpoint(folder / "alone" / "last", whole)
    load_checkpoint(folder / "together" / "last", resumed)
    assert (resumed.position.epoch, resumed.position.step) == (1, 1)
    assert resumed.position.image_count == whole.position.image_count == 4
    for run in (whole, resumed):
        run.run(steps(10**9))
        assert run.finished
    assert resumed.position.losses == pytest.approx(whole.position.losses, rel=LATER_LOSSES)


def test_two_processes_continue_what_one_began(pair: Pair, alone: list[float]) -> None:
    for rank in pair:
        assert rank["resumed"] == pytest.approx(alone[1:], rel=LATER_LOSSES)


def test_ranks_with_other_images_are_refused(pair: Pair) -> None:
    for rank in pair:
        assert "with other pixels, than rank 0 on" in rank["refusal"]
        assert rank["refusal"].startswith("Rank 1 on ")


@pytest.mark.parametrize("change", ["images", "names"])
def test_ranks_with_other_files_are_named(change: str) -> None:
    paths = [Path("a.png"), Path("b.png"), Path("c.png")]
    first = Fingerprint.of(paths, pictures(3))
    compare([first, Fingerprint.of([Path("/elsewhere") / path for path in paths], pictures(3))])
    if change == "images":
        other, message = Fingerprint.of(paths[:2], pictures(2)), "has 2 training images, but rank 0"
    else:
        other, message = Fingerprint.of(paths[::-1], pictures(3)), "images of other names"
    with pytest.raises(InputError, match=message):
        compare([first, first, other])


def test_a_batch_that_cannot_be_shared_equally() -> None:
    ranks = Ranks()
    ranks.count = 3
    with pytest.raises(InputError, match=r"A batch of 4 images .* by 3 processes; use .* 3, or"):
        trainer(ranks=ranks)
    trainer(ranks=ranks, batch_size=6)


@pytest.mark.parametrize("total", [1, 7, 64])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_shares_are_disjoint_and_even(total: int, count: int) -> None:
    shares = [share_of(total, number, count) for number in range(count)]
    assert [index for share in shares for index in share] == list(range(total))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("background", [None, 220.0])
@pytest.mark.parametrize("variant", ["released", "paper"])
def test_shares_together_are_the_batch(background: float | None, variant: Any) -> None:
    images = pictures(7)
    if background is not None:
        images[:, :, :20] = 220
    mixture = {"altered": 0.4} if variant == "released" else {}
    synthesis = NSA(background=background, variant=variant, mixture=mixture)
    plan = synthesis.plan(images, 3)
    assert bool(mixture) == (plan.column("source") >= 7).any()
    rows = plan.rows.copy()
    whole = synthesis.synthesize(images, plan)
    parts = []
    for number in range(3):
        own = share_of(7, number, 3)
        chosen, part = take_share(plan, 7, own)
        assert chosen[: len(own)].tolist() == list(own)
        cut_from = chosen[part.rows[:, SOURCE] % len(chosen)]
        assert np.isin(cut_from, rows[:, SOURCE] % 7).all()
        made = synthesis.synthesize(images[torch.from_numpy(chosen)], part)
        parts.append([tensor[: len(own)] for tensor in made])
    assert np.array_equal(plan.rows, rows)
    for ours, expected in zip(zip(*parts, strict=True), whole, strict=True):
        assert torch.equal(torch.cat(list(ours)), expected)


def test_an_empty_share_has_no_gradient_and_no_loss() -> None:
    from nsa.training.distributed import _Together

    logits = torch.zeros(0, 1, 4, 4, requires_grad=True)
    loss = _Together.weigh(ALONE, logits.mean(), 0)  # type: ignore[arg-type]
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None


def test_an_empty_share_sends_zeros_where_layers_left_no_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nsa.training.distributed import _Together

    ranks = _Together.__new__(_Together)
    ranks._group = None
    sent: list[torch.Tensor] = []

    def another_rank(flat: torch.Tensor, group: Any) -> None:
        assert group is None
        sent.append(flat.clone())
        flat += torch.tensor([4.0] * 5 + [2.0, 2.0])  # gradients, loss, images

    monkeypatch.setattr(torch.distributed, "all_reduce", another_rank)
    parameters = [torch.nn.Parameter(torch.ones(size)) for size in (2, 3)]
    parameters[0].grad = torch.zeros(2)
    loss = ranks.reduce(parameters, torch.tensor(0.0), 0)
    assert [flat.tolist() for flat in sent] == [[0.0] * 7]
    assert loss == 1
    for parameter in parameters:
        assert parameter.grad is not None
        assert (parameter.grad == 2).all()


def test_an_empty_share_exchanges_moments_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.dtype] = []

    def forward(_self: Any, x: torch.Tensor) -> torch.Tensor:
        seen.append(x.dtype)
        return x

    monkeypatch.setattr(torch.nn.SyncBatchNorm, "forward", forward)
    layer = SyncBatchNormOfAny(3)
    for images in (0, 2):
        x = torch.zeros(images, 3, 4, 4, dtype=torch.bfloat16)
        assert layer(x).dtype == torch.bfloat16
    assert seen == [torch.float32, torch.bfloat16]
