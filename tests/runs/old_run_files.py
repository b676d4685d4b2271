"""Puts the run folders of ``old_runs`` together again: they were kept without their weights.

A file of weights is kept as its tensors' names, dtypes and shapes. What they hold is drawn anew by
a rule that knows the name alone; tensors of a few values are kept as they were.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch

HERE = Path(__file__).parent / "old_runs"
KEPT_VALUES = 16  # tensors of so few are kept whole


def restore(name: str, folder: Path, data_root: Path) -> Path:
    """The run folder ``name``, made in ``folder``, of a training on the images of ``data_root``."""
    run = folder / name
    shutil.copytree(HERE / name, run)
    for path in run.iterdir():
        if not path.name.endswith(".safetensors.json"):
            path.write_text(path.read_text().replace("/data/", f"{data_root}/"))
        else:
            kept = json.loads(path.read_text())
            path.unlink()
            weights = {
                tensor: (
                    torch.tensor(entry[2], dtype=getattr(torch, entry[0])).reshape(entry[1])
                    if len(entry) == 3
                    else fill(tensor, *entry)
                )
                for tensor, entry in kept["tensors"].items()
            }
            safetensors.torch.save_file(weights, path.with_suffix(""), kept["metadata"])
    return run


def strip(path: Path) -> dict[str, Any]:
    """What is kept of a file of weights."""
    with safetensors.safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return {
            "metadata": file.metadata(),
            "tensors": {
                name: [str(tensor.dtype).removeprefix("torch."), list(tensor.shape)]
                + ([tensor.flatten().tolist()] if tensor.numel() <= KEPT_VALUES else [])
                for name, tensor in tensors.items()
            },
        }


def fill(name: str, dtype: str, shape: list[int]) -> torch.Tensor:
    """The tensor of this name: random, of the size that a trained one has."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    values = np.random.Generator(np.random.PCG64(seed)).random(shape)
    if name.endswith("running_var"):
        values += 0.5
    elif name.endswith("exp_avg_sq"):
        values = 1e-6 * (0.5 + values)
    elif name.endswith("exp_avg"):
        values = 1e-3 * (values - 0.5)
    elif name.endswith(".factor"):  # lower triangular, with a positive diagonal
        values = np.tril(0.02 * values - 0.01, -1) + np.diag(0.5 + values.diagonal())
    elif len(shape) == 4:  # keeps the size of what passes through
        values = (2 * values - 1) * (3 / np.prod(shape[1:])) ** 0.5
    elif len(shape) == 1 and name.endswith("weight"):
        values = 0.5 + values
    else:
        values -= 0.5
    return torch.from_numpy(values).to(getattr(torch, dtype))


def picture(number: int) -> npt.NDArray[np.uint8]:
    """A noisy disc on a light background, uint8 RGB (80, 80, 3); odd ones have a bright spot."""
    random = np.random.Generator(np.random.PCG64(number))
    y, x = np.mgrid[:80, :80]
    image = np.full((80, 80, 3), 220)
    image[(y - 38 - number % 5) ** 2 + (x - 42 + number % 3) ** 2 < 26**2] = 120, 80, 60
    if number % 2:
        image[spot(number)] = 250, 220, 200
    return (image + random.integers(-5, 6, image.shape)).astype(np.uint8)


def spot(number: int) -> npt.NDArray[np.bool_]:
    """Where the spot of an odd picture is, (80, 80)."""
    y, x = np.mgrid[:80, :80]
    return np.asarray((y - 40) ** 2 + (x - 30 - number % 20) ** 2 < 36)


def write_images(data_root: Path) -> Path:
    """The images that the runs were trained and judged on: the category ``disc``."""
    folder = data_root / "disc"
    for number in (*range(0, 18, 2), 20, 22, 24):
        place = "train" if number < 18 else "test"
        _write(folder / place / "good" / f"{number}.png", picture(number)[..., ::-1])
    for number in (1, 3, 5):
        _write(folder / "test" / "spot" / f"{number}.png", picture(number)[..., ::-1])
        mask = np.where(spot(number), 255, 0).astype(np.uint8)
        _write(folder / "ground_truth" / "spot" / f"{number}_mask.png", mask)
    return data_root


def _write(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
