"""Fine-tuning on labelled defects: the upper bound, not a detector one can have in practice."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from nsa.errors import InputError
from nsa.gaussian.baselines.fitting import train_epochs
from nsa.gaussian.features import Precision, channels_last, check_images, mixed, prepare
from nsa.gaussian.folds import make_folds
from nsa.gaussian.pipelines import Pipeline
from nsa.metrics import auroc
from nsa.model.backbones import Levels
from nsa.model.pretrained import load_network
from nsa.system.device import float32_weights


class _Classifier(nn.Module):
    """A network's last level with one logit on top."""

    @float32_weights()
    def __init__(self, levels: Levels) -> None:
        super().__init__()
        self.levels = levels.requires_grad_(True)
        self.head = nn.Linear(levels.entry.channels[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.levels(x)[-1])[:, 0]
        return logits


class ClassifierDetector:
    """Fine-tune a pretrained network to tell normal from defective images.

    Args:
        network, weights: see :func:`nsa.model.pretrained.load_network`.
        seed: fixes the classifier's initial weights, order and augmentation.
        device, precision: where and in what the network runs, as of
            :class:`nsa.gaussian.features.FeatureExtractor`.
    """

    def __init__(
        self,
        network: str = "resnet18",
        weights: str | Path | None = "default",
        *,
        seed: int = 0,
        device: str | torch.device = "cpu",
        precision: Precision = "float32",
    ) -> None:
        self.seed = seed
        self.precision: Precision = precision
        self.device = torch.device(device)
        levels = load_network(network, weights, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = _Classifier(levels)
        self.model = channels_last(model, self.device).eval()
        # The paper's batch sizes: EfficientNet keeps far more activations.
        self.batch_size = 64 if levels.entry.name.startswith("resnet") else 16

    def fit(
        self,
        images: Tensor,
        labels: npt.ArrayLike,
        validation: tuple[Tensor, npt.ArrayLike],
        *,
        epochs: int = 50,
        learning_rate: float = 1e-4,
        augmentation: Pipeline = (),
    ) -> float:
        """Train by binary cross-entropy and keep the epoch that does best on other images.

        Args:
            images: uint8 (N, C, H, W).
            labels: (N,), 1 is defective.
            validation: images and labels to choose the epoch by, of both classes.
            augmentation: applied to every image anew in every epoch.

        Returns:
            The best image AUROC on the validation images.

        Raises:
            InputError: images and labels do not match, or the validation images are of one class.
        """
        check_images(images)
        truth = torch.as_tensor(np.asarray(labels), dtype=torch.float32, device="cpu")
        if len(truth) != len(images) or len(images) < 2:
            raise InputError(f"{len(images)} images need as many labels, at least 2: {len(truth)}.")

        def loss(batch: Tensor, rows: Tensor) -> Tensor:
            logits = self.model(prepare(batch.to(self.device), self.model.levels.scaling))
            return nn.functional.binary_cross_entropy_with_logits(
                logits.float(), truth[rows].to(self.device)
            )

        best, state = -1.0, None
        for _ in train_epochs(
            self.model,
            images,
            loss,
            epochs=epochs,
            batch_size=self.batch_size,
            learning_rate=learning_rate,
            augmentation=augmentation,
            seed=self.seed,
            device=self.device,
            precision=self.precision,
        ):
            reached = auroc(validation[1], self.score(validation[0]))
            if reached > best:
                best, state = reached, copy.deepcopy(self.model.state_dict())
        assert state is not None
        self.model.load_state_dict(state)
        return best

    @torch.inference_mode()
    def score(self, images: Tensor) -> Tensor:
        """The logit of being defective, float64 (N,)."""
        check_images(images)
        found = []
        for batch in torch.split(images, self.batch_size):
            x = prepare(batch.to(self.device), self.model.levels.scaling)
            with mixed(self.device, self.precision):
                logits = self.model(x)
            found.append(logits.double().cpu())
        return torch.cat(found)


def cross_validate(
    images: Tensor,
    labels: npt.ArrayLike,
    network: str = "resnet18",
    weights: str | Path | None = "default",
    *,
    folds: int = 5,
    epochs: int = 50,
    learning_rate: float = 1e-4,
    augmentation: Pipeline = (),
    seed: int = 0,
    device: str | torch.device = "cpu",
    precision: Precision = "float32",
) -> list[float]:
    """Image AUROC of each fold, over the pooled training and test images.

    Every fold holds the same share of defects. A fifth of the other folds' images chooses the
    epoch.

    Args:
        images: uint8 (N, C, H, W), training and test set together.
        labels: (N,), 1 is defective.
        network, weights, epochs, learning_rate, augmentation, seed, device, precision: see
            :class:`ClassifierDetector`.

    Raises:
        InputError: a class has fewer images than folds.
    """
    return [
        validate_fold(
            images, labels, fold, network, weights, folds=folds, epochs=epochs,
            learning_rate=learning_rate, augmentation=augmentation, seed=seed, device=device,
            precision=precision,
        )
        for fold in range(folds)
    ]  # fmt: skip


def validate_fold(
    images: Tensor,
    labels: npt.ArrayLike,
    fold: int,
    network: str = "resnet18",
    weights: str | Path | None = "default",
    *,
    folds: int = 5,
    epochs: int = 50,
    learning_rate: float = 1e-4,
    augmentation: Pipeline = (),
    seed: int = 0,
    device: str | torch.device = "cpu",
    precision: Precision = "float32",
) -> float:
    """Image AUROC of one fold of :func:`cross_validate`, 0 is the first."""
    truth = np.asarray(labels).astype(np.int64)
    train, held = make_folds(len(truth), folds, seed=seed, labels=truth)[fold]
    fit, chosen = make_folds(len(train), 5, seed=seed, labels=truth[train])[0]
    fit, chosen = train[fit], train[chosen]
    detector = ClassifierDetector(network, weights, seed=seed, device=device, precision=precision)
    detector.fit(
        images[torch.from_numpy(fit)],
        truth[fit],
        (images[torch.from_numpy(chosen)], truth[chosen]),
        epochs=epochs,
        learning_rate=learning_rate,
        augmentation=augmentation,
    )
    return auroc(truth[held], detector.score(images[torch.from_numpy(held)]))
