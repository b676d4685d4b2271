"""MVTec AD's bottle from scratch by the paper's whole schedule, over seeds.

A rehearsal draws a few images of its own and trains for two epochs.
"""

from __future__ import annotations

import time

_BEGAN = time.perf_counter()  # before the imports, which are part of what a start costs

import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from device import DEVICE, REHEARSAL, bottle_images, product_images, settled, sized, write  # noqa: E402

from nsa.detectors.network.detector import NetworkDetector  # noqa: E402
from nsa.detectors.network.settings import NetworkSettings  # noqa: E402
from nsa.images import Dataset, load_images, open_dataset  # noqa: E402
from nsa.settings.fields import replace  # noqa: E402
from nsa.settings.presets import preset  # noqa: E402
from nsa.system.device import choose_precision  # noqa: E402
from nsa.training import Trainer  # noqa: E402
from nsa.training.device_steps import WARM_UP  # noqa: E402

SEEDS = 3
METRICS = ("image_auroc", "pixel_auroc", "au_pro")


def train(trainer: Trainer) -> dict[str, Any]:
    """Train to the end, and how long it took."""
    start = time.perf_counter()
    readings: list[tuple[float, int]] = []

    def after_step(_loss: float, count: int) -> bool:
        readings.append((time.perf_counter(), count))
        return True

    trainer.run(after_step)
    end = time.perf_counter()
    warm = (WARM_UP + 1) * len(trainer.images) if not REHEARSAL else 1
    first = settled([count for _, count in readings], warm)
    seconds = readings[-1][0] - readings[first][0]
    steady = sum(count for _, count in readings[first + 1 :]) / seconds
    samples = sum(count for _, count in readings)
    used, reserved = trainer.peak_memory() or (0.0, 0.0)
    return {
        "epochs": trainer.training.epochs,
        "seed": trainer.training.seed,
        "samples": samples,
        "images_per_second": steady,
        "training_seconds": samples / steady,
        "preparation_seconds": end - start - samples / steady,
        "plan_wait_seconds": trainer.position.plan_wait,
        "peak_gib": used,
        "reserved_gib": reserved,
    }


def scores(trainer: Trainer, settings: NetworkSettings, dataset: Dataset) -> dict[str, Any]:
    from nsa.runs.evaluate import evaluate  # after the training, whose figures are kept by then

    result = evaluate(NetworkDetector(trainer.model, settings, DEVICE), dataset)
    return {
        "evaluation_seconds": result.seconds,
        **{name: result.paper.metrics[name] for name in METRICS},
    }


def drawn(folder: Path) -> Path:
    """A data root for the rehearsal: a bottle with a few drawn images."""
    import cv2

    images = product_images(8)
    cv2.circle(images[7], (128, 128), 20, (250, 250, 250), -1)
    mask = cv2.circle(images[7][..., 0] * 0, (128, 128), 20, 255, -1)
    names = [f"train/good/{i}.png" for i in range(4)] + [f"test/good/{i}.png" for i in range(3)]
    names.append("test/spot/0.png")
    pictures = [*zip(names, images, strict=True), ("ground_truth/spot/0_mask.png", mask)]
    for name, pixels in pictures:
        path = folder / "bottle" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), pixels)
    return folder


def main(folder: str) -> None:
    bottle = preset("bottle")
    imported = time.perf_counter()
    root = drawn(Path(folder, "drawn")) if REHEARSAL else Path(os.environ["NSA_DATA_ROOT"])
    dataset = open_dataset(root, "bottle")
    images = load_images([s.path for s in dataset.train], bottle.images.size, 3, progress=False)
    runs: list[dict[str, Any]] = []
    figures: dict[str, Any] = {
        "images": len(images),
        "import_seconds": imported - _BEGAN,
        "load_seconds": time.perf_counter() - imported,
        "runs": runs,
    }
    for seed in range(SEEDS):
        training = replace(bottle.training, seed=seed)
        training = replace(training, **sized({}, {"epochs": 2, "batch_size": 2}))
        settings = NetworkSettings(
            category="bottle", kind=bottle.kind, synthesis=bottle.synthesis,
            images=bottle_images(), training=training,
        )  # fmt: skip
        trainer = Trainer(
            images, settings.synthesis, settings.images, settings.training,
            device=DEVICE, precision=choose_precision("auto", DEVICE),
        )  # fmt: skip
        runs.append(train(trainer))
        write(folder, "bottle", figures)
        runs[-1].update(scores(trainer, settings, dataset))
        write(folder, "bottle", figures)
        print(
            f"seed {seed}: {runs[-1]['training_seconds']:.1f} s, "
            + " / ".join(f"{100 * runs[-1][name]:.1f}" for name in METRICS)
        )


if __name__ == "__main__":
    main(sys.argv[1])
