"""MVTec AD's bottle from scratch: an eighth of the paper's schedule and the whole, over seeds."""

from __future__ import annotations

import time

_BEGAN = time.perf_counter()  # before the imports, which are part of what a start costs

import sys  # noqa: E402
from typing import Any  # noqa: E402

import torch  # noqa: E402
from timing import settled, write  # noqa: E402

from nsa.config import replace  # noqa: E402
from nsa.detector import Detector  # noqa: E402
from nsa.device import choose_precision  # noqa: E402
from nsa.evaluate import evaluate  # noqa: E402
from nsa.images import Dataset, load_images, open_dataset  # noqa: E402
from nsa.presets import preset  # noqa: E402
from nsa.settings import Settings  # noqa: E402
from nsa.training import Trainer  # noqa: E402
from nsa.training.device_steps import WARM_UP  # noqa: E402

EPOCHS = (40, 320)
SEEDS = 3


def train(
    images: torch.Tensor, settings: Settings, dataset: Dataset, device: torch.device
) -> dict[str, Any]:
    start = time.perf_counter()
    trainer = Trainer(
        images, settings.synthesis, settings.images, settings.training,
        device=device, precision=choose_precision("auto", device),
    )  # fmt: skip
    readings: list[tuple[float, int]] = []

    def after_step(_loss: float, count: int) -> bool:
        readings.append((time.perf_counter(), count))
        return True

    trainer.run(after_step)
    end = time.perf_counter()
    first = settled([count for _, count in readings], (WARM_UP + 1) * len(images))
    seconds = readings[-1][0] - readings[first][0]
    steady = sum(count for _, count in readings[first + 1 :]) / seconds
    samples = sum(count for _, count in readings)
    result = evaluate(Detector(trainer.model, settings, device), dataset)
    used, reserved = trainer.peak_memory() or (0.0, 0.0)
    return {
        "epochs": settings.training.epochs,
        "seed": settings.training.seed,
        "samples": samples,
        "images_per_second": steady,
        "training_seconds": samples / steady,
        "preparation_seconds": end - start - samples / steady,
        "plan_wait_seconds": trainer.position.plan_wait,
        "evaluation_seconds": result.seconds,
        "peak_gib": used,
        "reserved_gib": reserved,
        **{name: result.metrics[name] for name in ("image_auroc", "pixel_auroc", "au_pro")},
    }


def main(folder: str, data_root: str) -> None:
    bottle = preset("bottle")
    imported = time.perf_counter()
    dataset = open_dataset(data_root, "bottle")
    images = load_images([s.path for s in dataset.train], bottle.images.size, 3, progress=False)
    figures: dict[str, Any] = {
        "images": len(images),
        "import_seconds": imported - _BEGAN,
        "load_seconds": time.perf_counter() - imported,
        "runs": [],
    }
    device = torch.device("cuda")
    for epochs in EPOCHS:
        for seed in range(SEEDS):
            training = replace(bottle.training, epochs=epochs, seed=seed)
            settings = Settings(
                category="bottle", kind=bottle.kind, synthesis=bottle.synthesis,
                images=bottle.images, training=training,
            )  # fmt: skip
            figures["runs"].append(train(images, settings, dataset, device))
            write(folder, "bottle", figures)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
