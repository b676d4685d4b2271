"""NSA as a model of anomalib: its synthesis, network, loss and schedule in anomalib's engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from anomalib import LearningType
from anomalib.data import InferenceBatch
from anomalib.pre_processing import PreProcessor
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torchvision.transforms.v2 import Resize

from nsa.detectors.network.automatic import settle
from nsa.detectors.network.deployed import MapsAndScores
from nsa.detectors.network.image_score import MEAN, NAMED
from nsa.detectors.network.request import NetworkRequest
from nsa.detectors.network.settings import NetworkSettings, lit, resolve
from nsa.detectors.registry import find_method, read_request
from nsa.errors import InputError
from nsa.images import open_dataset, to_network_input
from nsa.images.augment import augment
from nsa.images.light import relight
from nsa.integrations.anomalib.module import NsaModule
from nsa.integrations.anomalib.pixels import to_levels, with_channels
from nsa.model import EncoderDecoder
from nsa.plan.light import draw_lights
from nsa.settings.light import light_spread
from nsa.settings.options import STAMPS
from nsa.settings.presets import generic
from nsa.synthesis import NSA
from nsa.system.device import memory_format
from nsa.training.optimizer import make_optimizer
from nsa.training.schedule import learning_rate
from nsa.training.update import loss_of

_NAME = "custom"  # of a category that is not named


class Nsa(NsaModule):
    """Natural Synthetic Anomalies (ECCV 2022), trained from normal images only.

    >>> model = Nsa("bottle", epochs=40)                       # doctest: +SKIP
    >>> model = Nsa(kind="texture")                            # doctest: +SKIP
    >>> model = Nsa.suited_to("photos/good")                   # doctest: +SKIP
    >>> Engine().train(model, datamodule=datamodule)           # doctest: +SKIP

    Settings are those of ``nsa train``, by the same rules: a category of the paper has the paper's,
    all else the tuned recipe. What is different here: batches are the data module's (the recipe
    has 16 images, ``train_batch_size=16``, and the paper 64); precision, devices and checkpoints
    are the engine's, its ``max_epochs`` this model's; nothing is held out, so thresholds come from
    the validation set, as for all of anomalib's models, and the score is the map's mean unless
    ``image_score`` says otherwise.

    Args:
        category: of the paper, whose preset is used, or any other name.
        kind: ``"object"`` or ``"texture"``; None: the preset's, else an object.
        recipe: ``"paper"`` or ``"tuned"``; None: by the category.
        epochs: passes over the training images; None: 320, or the preset's.
        light: whether light is varied in training; None: the recipe's.
        image_score: what of its map scores an image: ``"mean"``, ``"top"`` or ``"maximum"``.
        options: any other options and sections of an options file of ``nsa train`` that are about
            the network, or all of a run's ``config.yaml``.
        pre_processor, post_processor, evaluator, visualizer: see
            :class:`anomalib.models.AnomalibModule`. A pre-processor must leave pixels in [0, 1]
            and resize them to what the settings say.

    Attributes:
        settings: what comes of them.
        model: the network, from images in [0, 1] to maps and scores.

    Raises:
        InputError: an option is unknown or out of range, or for images of their own size.
    """

    def __init__(
        self,
        category: str | None = None,
        kind: str | None = None,
        recipe: str | None = None,
        epochs: int | None = None,
        light: bool | None = None,
        image_score: str | None = None,
        options: dict[str, Any] | None = None,
        pre_processor: nn.Module | bool = True,
        post_processor: nn.Module | bool = True,
        evaluator: Any = True,
        visualizer: Any = True,
    ) -> None:
        given = {
            "category": category, "kind": kind, "recipe": recipe, "epochs": epochs, "light": light,
            "image_score": image_score,
        }  # fmt: skip
        named = {name: value for name, value in given.items() if value is not None}
        settings = _settings({**(options or {}), **named})
        sizes = settings.test_size, settings.images.size
        super().__init__(
            pre_processor=SizedPreProcessor(*sizes) if pre_processor is True else pre_processor,
            post_processor=post_processor,
            evaluator=evaluator,
            visualizer=visualizer,
        )
        self.settings = settings
        self.model = NsaModel(settings)
        self.synthesis = NSA(settings.synthesis)
        self.loss = loss_of(settings.training, settings.synthesis.unbounded)

    @classmethod
    def suited_to(
        cls,
        normal_dir: str | Path | Sequence[str | Path],
        category: str | None = None,
        **options: Any,
    ) -> Nsa:
        """The model that ``nsa train --normal-dir`` chooses by looking at images.

        Args:
            normal_dir: a folder of normal images, or several.
            category: instead of the folder's name.
            **options: as for ``options`` of the class.

        Raises:
            InputError: an image cannot be read, or an option cannot be used.
        """
        dataset = open_dataset(normal_dir=normal_dir, category=category)
        return cls(options=settle(_request(options), dataset).to_dict())

    def training_step(self, batch: Any, batch_idx: int) -> Tensor | None:
        """The loss of normal images with anomalies; None: of a single one there are none.

        Raises:
            InputError: the images are not as the settings say, or there is one image a batch.
        """
        images = with_channels(batch.image, self.settings.images.channels)
        if len(images) < 2:  # as the last batch of an epoch may be
            if batch_idx == 0:
                raise InputError(
                    "A training batch must have at least two images, since anomalies are patches "
                    "of other images; give the data module a larger train_batch_size."
                )
            return None
        pixels, labels = self.make_batch(images)
        inputs = to_network_input(pixels.to(self.device), self.settings.images)
        half = torch.is_autocast_enabled(self.device.type)
        layout = memory_format(self.device, "bf16" if half else "fp32")
        inputs = inputs.contiguous(memory_format=layout)
        logits = self.model.network(inputs)
        loss: Tensor = self.loss(logits.float(), labels.to(self.device))
        self.log("train_loss", loss.detach(), on_epoch=True, prog_bar=True, batch_size=len(images))
        return loss

    @torch.no_grad()
    def make_batch(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Augmented images with anomalies, and their labels, as ``nsa train`` makes them.

        Args:
            images: float (N, channels, *settings.images.size) in [0, 1].

        Returns:
            uint8 (N, channels, *crop) and float32 (N, 1, *crop).

        Raises:
            InputError: the images are of another size or range.
        """
        config = self.settings.images
        if config.reflection:
            images = F.pad(images, (config.reflection,) * 4, mode="reflect")
        pixels = augment(to_levels(images), config, seed=_draw_seed())
        pixels, labels = self.synthesis(pixels)
        lights = draw_lights(config, len(pixels), _draw_seed())
        return (pixels if lights is None else relight(pixels, lights)), labels

    def configure_optimizers(self) -> dict[str, Any]:
        """The optimiser and the cosine of the settings, stepped once an epoch."""
        training = self.settings.training
        network = self.model.network
        optimizer = make_optimizer(
            training.optimizer, network.parameters(), training.learning_rate, self.device
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: learning_rate(training, epoch) / training.learning_rate
        )
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    @property
    def trainer_arguments(self) -> dict[str, Any]:
        """What the engine's trainer is told."""
        epochs = self.settings.training.epochs
        return {"max_epochs": epochs, "gradient_clip_val": 0, "num_sanity_val_steps": 0}

    @property
    def learning_type(self) -> LearningType:
        """From normal images only."""
        return LearningType.ONE_CLASS

    @classmethod
    def configure_pre_processor(cls, image_size: tuple[int, int] | None = None) -> PreProcessor:
        """Resizes and does nothing else; a size must be what the settings say.

        Args:
            image_size: (height, width); None: 256 x 256.
        """
        size = image_size or (256, 256)
        return SizedPreProcessor(size, size)


class NsaModel(nn.Module):
    """The network, from images as anomalib has them to what it expects of a model.

    Args:
        settings: of the network.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        images, training = settings.images, settings.training
        activation = "relu" if settings.synthesis.unbounded else "sigmoid"
        network = EncoderDecoder(images.channels, activation, training.skips)  # type: ignore[arg-type]
        self._channels = images.channels
        self.judge = MapsAndScores(network, images.channels, NAMED.get(training.image_score, MEAN))

    @property
    def network(self) -> EncoderDecoder:
        """What is trained."""
        return self.judge.network

    def forward(self, images: Tensor) -> InferenceBatch:
        """Maps, float32 (N, 1, H, W), and scores, float32 (N,).

        Args:
            images: float (N, 3, H, W) in [0, 1].
        """
        maps, scores = self.judge(with_channels(images, self._channels) * 255)
        return InferenceBatch(pred_score=scores, anomaly_map=maps[:, None])


class SizedPreProcessor(PreProcessor):  # type: ignore[misc]
    """Resizes images; textures are seen larger in training, where crops are taken of them.

    Args:
        size: (height, width) of images that are judged.
        training_size: of images that are trained on.
    """

    def __init__(self, size: tuple[int, int], training_size: tuple[int, int]) -> None:
        super().__init__(transform=Resize(size, antialias=True))
        self._training = Resize(training_size, antialias=True)

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Resize a batch of the training."""
        del trainer, pl_module, batch_idx
        batch.image, batch.gt_mask = self._training(batch.image, batch.gt_mask)


def _settings(options: Mapping[str, Any]) -> NetworkSettings:
    """The settings that ``nsa train`` would have, without looking at images."""
    request = _request(options)
    name = request.category or _NAME
    settings = resolve(request, name, lambda: generic(name, request.kind or "object", 3))
    none = torch.zeros(0, settings.images.channels, 1, 1, dtype=torch.uint8, device="cpu")
    settings = lit(settings, request, lambda: light_spread(none))
    if settings.images.resize != "stretch":
        raise InputError(
            "anomalib's images have one size, so settings for images of their own shape cannot be "
            "used; leave out size, crop and resize."
        )
    return settings


def _request(options: Mapping[str, Any]) -> NetworkRequest:
    """The request that options make; what they say of places is left to anomalib."""
    request = read_request({name: options[name] for name in options if name not in STAMPS})
    if not isinstance(request, NetworkRequest) or type(request) is not find_method(None).request:
        raise InputError(
            f"--method {request.method} trains no network by itself; NsaRun opens a finished run "
            "of it."
        )
    if request.trial:
        raise InputError("A trial is for a training by nsa train; leave it out.")
    if request.size is not None or request.crop is not None:
        raise InputError("size and crop are for images of their own shape; leave them out.")
    return request


def _draw_seed() -> int:
    """From torch's default generator, which ``seed_everything`` sets."""
    return int(torch.randint(2**63 - 1, (), dtype=torch.int64, device="cpu"))
