"""A data set that needs no download: pictures drawn by this package, in the layout of MVTec AD.

Four categories of 320 x 320 pixels, two of each kind the paper tells apart: ``fabric``, a texture,
and ``brushed``, steel whose light and tone differ much from picture to picture; ``flange``, an
object on a plain background, and ``woodscrew``, one that lies anyhow. A fifth, ``circuit``, has
1,536 x 1,152 pixels and defects of 4 to 12, which are lost when it is made small. Parts vary in
position, light and texture as real ones do. The defects are drawn with lines, outlines, displaced
coordinates and colour changes, never by blending patches, so that a detector trained on blended
patches is tested on something it has not seen.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from nsa.errors import InputError
from nsa.images.demo import brushed, circuit, fabric, flange, woodscrew
from nsa.system.cores import usable_cores
from nsa.system.files import open_unfinished
from nsa.system.progress import progress_bar
from nsa.system.readers import read_json

_DRAWERS = {  # what is learnt soonest first
    "fabric": fabric, "flange": flange, "circuit": circuit, "woodscrew": woodscrew,
    "brushed": brushed,
}  # fmt: skip
CATEGORIES = tuple(_DRAWERS)
_VERSION = 1  # to be raised when the pictures change
_MARKER = "demo.json"


def write(
    folder: str | Path,
    category: str = CATEGORIES[0],
    seed: int = 0,
    *,
    train: int | None = None,
    test_good: int | None = None,
    test_defective: int | None = None,
    progress: bool = True,
) -> Path:
    """Draw one category as PNG files in RGB, with masks.

    A set that was drawn before with the same arguments is left as it is. The set appears under
    its name only when it is complete.

    Args:
        folder: data root below which the category's folder is made.
        category: one of ``CATEGORIES``.
        seed: fixes every picture; other seeds give other pictures of the same kind.
        train: number of normal training images; None: 160, and of the large ``circuit`` 48.
        test_good, test_defective: number of test images; the latter are shared out among the
            category's kinds of defect. None: 24 and 40, of ``circuit`` 16 and 24.
        progress: show a progress bar on standard error.

    Returns:
        The category's folder, ``folder / category``.

    Raises:
        InputError: unknown category, a count or seed out of range, or the folder holds other files
            or cannot be written.
    """
    if category not in _DRAWERS:
        listed = ", ".join(CATEGORIES)
        raise InputError(f"There is no demo category {category!r}; there are {listed}.")
    usual, asked = _DRAWERS[category].COUNTS, (train, test_good, test_defective)
    train, test_good, test_defective = (
        count if given is None else given for count, given in zip(usual, asked, strict=True)
    )
    if seed < 0 or train < 1 or test_good < 0 or test_defective < 0:
        raise InputError("The demo needs a seed and counts of at least 0, and one training image.")
    settings = {
        "version": _VERSION, "category": category, "seed": seed,
        "train": train, "test_good": test_good, "test_defective": test_defective,
    }  # fmt: skip
    target = Path(folder).expanduser() / category
    if target.exists():
        if _settings_of(target) == settings:
            return target
        if _settings_of(target) is None:
            raise InputError(
                f"{target} exists and is not a demo set; name another folder for the demo."
            )
    work = target.with_name(f".{category}.drawn")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Who draws the same set at the same time is waited for; what a kill left is drawn anew.
        with open_unfinished(target) as lock:
            try:
                if _settings_of(target) != settings:
                    if work.exists():
                        shutil.rmtree(work)
                    if target.exists():  # one of other arguments, never half of it by its name
                        target.rename(work)
                        shutil.rmtree(work)
                    pictures = _list(category, train, test_good, test_defective)
                    _draw(work, category, seed, pictures, progress)
                    (work / _MARKER).write_text(json.dumps(settings, indent=2) + "\n")
                    work.rename(target)
            finally:
                shutil.rmtree(work, ignore_errors=True)
                with contextlib.suppress(OSError):
                    Path(lock.name).unlink()
    except OSError as error:
        raise InputError(f"The demo cannot be written to {target}: {error.strerror}.") from error
    return target


def _settings_of(target: Path) -> object:
    """The arguments a set was drawn with; None if it is not one of ours."""
    try:
        return read_json(target / _MARKER)
    except InputError:
        return None


def _list(category: str, train: int, good: int, defective: int) -> list[tuple[str, str, int]]:
    """(split, kind, number) of every picture."""
    kinds = _DRAWERS[category].DEFECTS
    pictures = [("train", "good", index) for index in range(train)]
    pictures += [("test", "good", index) for index in range(good)]
    pictures += [("test", kinds[i % len(kinds)], i // len(kinds)) for i in range(defective)]
    return pictures


def _draw(
    folder: Path, category: str, seed: int, pictures: list[tuple[str, str, int]], progress: bool
) -> None:
    for split, kind, _ in pictures:
        (folder / split / kind).mkdir(parents=True, exist_ok=True)
        if kind != "good":
            (folder / "ground_truth" / kind).mkdir(parents=True, exist_ok=True)

    def draw_one(picture: tuple[str, str, int]) -> None:
        split, kind, index = picture
        # Each picture has its own stream, so that it does not depend on how many there are.
        words = f"{category} {split} {kind} {index}".encode()
        random = np.random.default_rng([seed, *words])
        image, mask = _DRAWERS[category].draw(random, None if kind == "good" else kind)
        pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        # Noise does not repeat, so looking for repetitions makes files no smaller; masks do.
        noisy = (cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY)
        _save(folder / split / kind / f"{index:03d}.png", pixels, noisy)
        if kind != "good":
            _save(folder / "ground_truth" / kind / f"{index:03d}_mask.png", mask)

    drawn = progress_bar(f"Drawing the {category} demo", len(pictures), shown=progress)
    with drawn as bar, ThreadPoolExecutor(min(8, usable_cores())) as pool:
        jobs = [pool.submit(draw_one, picture) for picture in pictures]
        try:
            for job in jobs:
                job.result()
                bar.advance()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # Ctrl-C need not wait for the rest
            raise


def _save(path: Path, pixels: cv2.typing.MatLike, options: tuple[int, ...] = ()) -> None:
    # Encoded in memory: cv2.imwrite returns False on a full disk and cannot open every path.
    _, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1, *options])
    path.write_bytes(data.tobytes())
