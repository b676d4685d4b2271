"""A tiny product for tests of the command line: a disc on a light background, 80 x 80 px."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import yaml
from typer.testing import CliRunner, Result

from nsa.cli.app import app

OPTIONS: dict[str, Any] = {
    "kind": "object",
    "epochs": 2,
    "batch_size": 4,
    "optimizer": "adam",  # Muon's products would be most of so small a step
    "device": "cpu",
    "precision": "fp32",
    "images": {"size": [72, 72], "center_crop": None, "crop": [64, 64], "rotation": 0},
    "synthesis": {"background": None},
}

GAUSSIAN = (
    "--method", "gaussian", "--network", "resnet18", "--weights", "random", "--device", "cpu",
)  # fmt: skip

# What nsa predict writes beside the pictures.
TABLES = ["regions.csv", "regions.json", "review.html", "scores.csv"]


def picture(seed: int, defect: bool = False) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """An image, uint8 (80, 80, 3), and its mask of 0 and 255."""
    random = np.random.default_rng(seed)
    image = np.full((80, 80, 3), 220, dtype=np.uint8)
    mask = np.zeros((80, 80), dtype=np.uint8)
    center = [int(v) for v in 40 + random.integers(-4, 5, 2)]
    cv2.circle(image, center, 26, (60, 80, 120), -1)
    if defect:
        spot = [int(v) for v in center + random.integers(-12, 13, 2)]
        cv2.circle(image, spot, 6, (200, 220, 250), -1)
        cv2.circle(mask, spot, 6, 255, -1)
    noisy = image + random.normal(0, 4, image.shape)
    return noisy.clip(0, 255).astype(np.uint8), mask


def write(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())


def write_product(
    root: Path, train: int = 9, good: int = 3, defective: int = 3, masks: bool = True
) -> Path:
    """A data root with the one category ``disc``."""
    folder = root / "disc"
    for index in range(train):
        write(folder / "train" / "good" / f"{index}.png", picture(index)[0])
    for index in range(good):
        write(folder / "test" / "good" / f"{index}.png", picture(100 + index)[0])
    for index in range(defective):
        image, mask = picture(200 + index, defect=True)
        write(folder / "test" / "spot" / f"{index}.png", image)
        if masks:
            write(folder / "ground_truth" / "spot" / f"{index}_mask.png", mask)
    return root


def write_config(path: Path, **changes: Any) -> Path:
    """An options file for quick runs on this product."""
    path.write_text(yaml.safe_dump({**OPTIONS, **changes}))
    return path


def nsa(*arguments: object) -> Result:
    """Run the command line in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def train_gaussian(data: Path, config: Path, output: Path, *more: object) -> Result:
    """Fit a Gaussian detector in a ResNet-18's random features, unless there are more options."""
    places = ("--data-root", data, "--config", config, "--output", output)
    return nsa("train", *unless_given(GAUSSIAN, more), *places, *more)


def unless_given(usual: Sequence[object], more: Sequence[object]) -> list[object]:
    """Options with their values, but those among ``more``: each may be given once."""
    pairs = zip(usual[::2], usual[1::2], strict=True)
    return [part for name, value in pairs if name not in more for part in (name, value)]


def rows(path: Path) -> list[dict[str, str]]:
    """The lines of a CSV file."""
    with path.open() as file:
        return list(csv.DictReader(file))


def sentence(result: Result) -> str:
    """The message of a command that refused, checked to be one line without a traceback."""
    assert result.exit_code == 2, result.output
    message = result.stderr.strip().splitlines()[-1]
    assert message.startswith("Error: "), result.stderr
    assert message.endswith((".", ")", "?")), message
    assert "Traceback" not in result.output
    return message
