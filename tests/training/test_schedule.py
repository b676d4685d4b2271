"""Learning rate, order and seeds as functions of the position."""

import math

import pytest
import torch

from nsa.settings.config import TrainConfig
from nsa.training.schedule import (
    AUGMENTATION,
    ORDER,
    SYNTHESIS,
    WEIGHTS,
    derive_seed,
    epoch_batches,
    learning_rate,
)


def test_learning_rate_is_torchs_cosine() -> None:
    config = TrainConfig(epochs=7, learning_rate=1e-3, final_learning_rate=1e-6)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=config.learning_rate)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, T_max=config.epochs, eta_min=config.final_learning_rate
    )
    for epoch in range(config.epochs):
        assert math.isclose(learning_rate(config, epoch), reference.get_last_lr()[0], rel_tol=1e-9)
        optimizer.step()
        reference.step()


def test_a_warm_up_grows_linearly() -> None:
    usual, warm = (TrainConfig(epochs=10, warmup_epochs=count) for count in (0, 3))
    shares = [learning_rate(warm, epoch) / learning_rate(usual, epoch) for epoch in range(10)]
    assert shares == pytest.approx([0.25, 0.5, 0.75, *[1.0] * 7])


def test_epochs_that_have_begun_keep_their_learning_rate() -> None:
    plans = {epochs: TrainConfig(epochs=epochs) for epochs in (20, 30, 25)}
    config = TrainConfig(epochs=25, former_epochs=((8, 20), (9, 30)))
    expected = [20] * 8 + [30] + [25] * 16
    assert [learning_rate(config, epoch) for epoch in range(25)] == [
        learning_rate(plans[epochs], epoch) for epoch, epochs in enumerate(expected)
    ]


@pytest.mark.parametrize(
    ("images", "batch", "sizes"),
    [
        (9, 4, [3, 3, 3]),
        (10, 4, [4, 3, 3]),
        (8, 4, [4, 4]),
        (5, 4, [3, 2]),
        (209, 64, [53, 52, 52, 52]),
        (3, 64, [3]),
        (2, 2, [2]),
        (3, 2, [2]),
        (4, 3, [2, 2]),
    ],
)
def test_batches_of_an_epoch(images: int, batch: int, sizes: list[int]) -> None:
    batches = epoch_batches(images, TrainConfig(batch_size=batch), epoch=0)
    assert [len(b) for b in batches] == sizes
    drawn = torch.cat(batches).tolist()
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) <= set(range(images))


def test_order_depends_on_seed_and_epoch_only() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return torch.cat(epoch_batches(50, TrainConfig(seed=seed), epoch)).tolist()

    assert order(0, 3) == order(0, 3)
    assert order(0, 3) != order(0, 4)
    assert order(0, 3) != order(1, 3)


def test_seeds_of_different_positions_differ() -> None:
    seeds = {
        derive_seed(seed, stream, epoch, step)
        for seed in (0, 1, 2**62)
        for stream in range(4)
        for epoch in range(10)
        for step in range(10)
    }
    assert len(seeds) == 3 * 4 * 100
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_seed_means_the_same_in_every_version() -> None:
    """Weights, order, augmentation and anomalies of a run that somebody repeats years later."""
    streams = (WEIGHTS, ORDER, AUGMENTATION, SYNTHESIS)
    assert [derive_seed(0, stream, 3, 5) for stream in streams] == [
        6016502752562908699, 6425635782846695884, 2186052165136630319, 7492888203933002658,
    ]  # fmt: skip
    assert derive_seed(7, WEIGHTS) == 8460147692890830636
    batches = epoch_batches(7, TrainConfig(batch_size=3, seed=7), epoch=2)
    assert [batch.tolist() for batch in batches] == [[6, 4, 3], [2, 5], [1, 0]]
