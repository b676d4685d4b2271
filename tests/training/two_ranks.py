"""What each of two processes does for test_distributed.py: ``two_ranks.py FOLDER``."""

import sys
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))
from test_loop import pictures, steps, trainer

from nsa.errors import InputError
from nsa.training import load_checkpoint, save_checkpoint, share_state
from nsa.training.distributed import Ranks, join
from nsa.training.sync_batch_norm import synchronise

STEPS = 3


def normalise(ranks: Ranks, total: int) -> dict[str, torch.Tensor]:
    """Forward and backward of one layer on this rank's share of ``total`` images."""
    x, outer, layer = layer_case(total)
    [layer] = synchronise(torch.nn.Sequential(layer), None)
    own = ranks.share(total)
    x = x[own.start : own.stop].clone().requires_grad_()
    y = layer(x)
    (y * outer[own.start : own.stop]).sum().backward()
    return {
        "y": y.detach(), "x": x.grad, "weight": layer.weight.grad, "bias": layer.bias.grad,
        **dict(layer.named_buffers()),
    }  # fmt: skip


def layer_case(total: int) -> tuple[torch.Tensor, torch.Tensor, torch.nn.BatchNorm2d]:
    """Images, the gradient of their outputs, and a layer, float64."""
    generator = torch.Generator().manual_seed(total)
    x = 100 + torch.randn(total, 3, 5, 4, generator=generator, dtype=torch.float64)
    outer = torch.randn(total, 3, 5, 4, generator=generator, dtype=torch.float64)
    layer = torch.nn.BatchNorm2d(3, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.5, 1, 2]))
    return x, outer, layer


def train(ranks: Ranks, folder: Path, begun: Path | None = None) -> list[float]:
    """Losses of some steps on 7 images, so that batches differ in size and one is odd.

    The leader leaves its state in ``folder``, after the first step and after the last one.
    """
    run = trainer(pictures(7), ranks=ranks)
    if begun is not None and ranks.leads:
        load_checkpoint(begun, run)
    if ranks.count > 1:
        share_state(run, Path("state"))
    losses: list[float] = []
    stop = steps(STEPS if begun is None else 2)

    def after_step(loss: float, images: int) -> bool:
        losses.append(loss)
        if ranks.leads and len(losses) == 1:
            save_checkpoint(folder / "first", run)
        # Rank 1 alone decides: all others must follow.
        return stop(loss, images) or (ranks.leads and ranks.count > 1)

    run.run(after_step)
    if ranks.leads:
        save_checkpoint(folder / "last", run)
    return losses


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    for name in ("together", "resumed"):
        (folder / name).mkdir(exist_ok=True)
    with join() as ranks:
        assert ranks.count == 2
        found: dict[str, Any] = {f"layer{total}": normalise(ranks, total) for total in (7, 1)}
        found["losses"] = train(ranks, folder / "together")
        found["resumed"] = train(ranks, folder / "resumed", folder / "alone" / "first")
        try:
            paths = [Path(f"{index}.png") for index in range(4)]
            ranks.check_same_images(paths, pictures(4) + ranks.number)
        except InputError as error:
            found["refusal"] = str(error)
        torch.save(found, folder / f"rank{ranks.number}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
