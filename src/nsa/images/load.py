"""A whole dataset in memory as one uint8 tensor, decoded once and in parallel."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nsa.errors import InputError
from nsa.images.contents import Contents
from nsa.images.decode import Pixels, check_channels, decode, scale
from nsa.images.decode import resize as resized
from nsa.images.frame import fill, scaled_shape
from nsa.images.sample import Sample
from nsa.images.unreadable import list_all
from nsa.settings.config import Levels, Resize
from nsa.system.cores import usable_cores
from nsa.system.progress import progress_bar

_log = logging.getLogger("nsa")
_NAMED_FAILURES = 10
_SOME, _SOME_SIZE = 32, (256, 256)
_TINY = (16, 16)  # where the images themselves are of no use
_STRONG = 1.9  # ratio of the scales across and down; a frame of 16:9 stays below


def load_images(
    paths: Sequence[str | Path],
    size: tuple[int, int],
    channels: int = 3,
    progress: bool = True,
    warn: bool = True,
    contents: Contents | None = None,
    reflection: int = 0,
    resize: Resize = "stretch",
    levels: Levels | None = None,
) -> Tensor:
    """Decode and resize images into one tensor.

    Files are decoded by a few threads, each holding one full-size image at a time, so memory stays
    at the result's ``N * height * width * channels`` bytes.

    Args:
        paths: image files; see :mod:`nsa.images.decode` for what is done to each kind.
        size: (height, width) to which every image is resized (antialiased bilinear).
        channels: 3 for RGB, 1 for grey.
        progress: show a progress bar on standard error.
        warn: say in the log that images are enlarged or stretched.
        contents: of these paths, to be filled with what the images hold.
        reflection: pixels by which images are then continued on every side, mirrored; less than
            either side has.
        resize: ``"stretch"``, or ``"fit"``: scaled in its own shape, in the middle of its own
            reflection.
        levels: as for :func:`nsa.images.read_image`.

    Returns:
        uint8 (N, channels, height, width), channels-last, in the order of ``paths``; both sides
        longer by ``2 * reflection``.

    Raises:
        InputError: there is no path, channels is another number, or files cannot be read; up to ten
            of them are named, and of more all are listed in a file that the message names.
    """
    check_channels(channels)
    height, width = size
    stored = height + 2 * reflection, width + 2 * reflection
    pixels = np.empty((len(paths), *stored, channels), dtype=np.uint8)
    shapes = np.zeros((len(paths), 2), dtype=np.int64)  # width and height as decoded

    def load(index: int) -> None:
        picture = decode(paths[index], channels, levels)
        shapes[index] = picture.size
        if contents is not None:
            contents.note(index, picture)
        shape = scaled_shape((picture.height, picture.width), size, resize)
        scaled = np.asarray(scale(picture, shape)).reshape(*shape, channels)
        pixels[index] = fill(scaled, size, reflection)

    load_each(paths, load, progress)
    if warn and resize == "stretch":
        _warn_about_shapes(shapes, size)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def load_each(paths: Sequence[str | Path], load: Callable[[int], None], progress: bool) -> None:
    """Call ``load`` with the number of every file, in several threads.

    Args:
        progress: show a progress bar on standard error.

    Raises:
        InputError: there is no path, or files cannot be read; up to ten of them are named, and of
            more all are listed in a file that the message names.
    """
    if not paths:
        raise InputError("There are no images to load; paths is empty.")
    failures: dict[int, InputError] = {}
    drawn = progress_bar("Loading images", len(paths), shown=progress)
    with drawn as bar, ThreadPoolExecutor(worker_count()) as pool:
        futures = {pool.submit(load, index): index for index in range(len(paths))}
        try:
            for future in as_completed(futures):
                error = future.exception()
                if isinstance(error, InputError):
                    failures[futures[future]] = error
                elif error is not None:
                    raise error
                bar.advance()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # Ctrl-C need not wait for the rest
            raise
    if failures:
        told = describe([failures[k] for k in sorted(failures)], len(paths))
        more = f" {list_all(failures, paths)}" if len(failures) > _NAMED_FAILURES else ""
        raise InputError(told + more)


def load_some(samples: Sequence[Sample], levels: Levels | None = None) -> Tensor:
    """Up to 32 of the images, evenly chosen, to find out what they are like.

    Args:
        levels: as for :func:`nsa.images.read_image`.

    Returns:
        uint8 (n, 3, 256, 256).

    Raises:
        InputError: as :func:`load_images`.
    """
    paths = [sample.path for sample in samples]
    chosen = paths[:: max(1, len(paths) // _SOME)][:_SOME]
    return load_images(chosen, _SOME_SIZE, progress=False, warn=False, levels=levels)


def load_contents(
    paths: Sequence[str | Path],
    channels: int,
    progress: bool = True,
    levels: Levels | None = None,
) -> Contents:
    """Read images, which may be none, for what they hold alone; errors as of :func:`load_images`.

    Args:
        channels: 3 for RGB, 1 for grey.
        progress: show a progress bar on standard error.
        levels: as for :func:`nsa.images.read_image`.
    """
    contents = Contents(paths)
    if paths:
        load_images(paths, _TINY, channels, progress, warn=False, contents=contents, levels=levels)
    return contents


def stack(images: Iterable[Pixels], size: tuple[int, int]) -> Tensor:
    """Images, uint8 (H, W, C) of any sizes, resized into one uint8 tensor (N, C, *size)."""
    scaled = np.stack([resized(image, size) for image in images])
    return torch.from_numpy(scaled).permute(0, 3, 1, 2)


def worker_count() -> int:
    """One thread a core that this process may use: decoding is all arithmetic."""
    return min(32, usable_cores())


def describe(failures: Sequence[InputError], total: int) -> str:
    """One sentence about the files among ``total`` that could not be read."""
    reasons = [str(failure).rstrip(".") for failure in failures]
    if len(reasons) == 1:
        return f"{reasons[0]}; replace or remove this file."
    listed = "; ".join(reasons[:_NAMED_FAILURES])
    more = len(reasons) - _NAMED_FAILURES
    rest = f"; and {more} more" if more > 0 else ""
    return (
        f"{len(reasons)} of {total} images cannot be used, replace or remove them: {listed}{rest}."
    )


def _warn_about_shapes(shapes: npt.NDArray[np.int64], size: tuple[int, int]) -> None:
    height, width = size
    small = int(((shapes[:, 0] < width) | (shapes[:, 1] < height)).sum())
    if small:
        _log.warning(
            "%d of %d images are smaller than %d x %d pixels and were enlarged.",
            small, len(shapes), width, height,
        )  # fmt: skip
    aspect = shapes[:, 0] / shapes[:, 1]
    if aspect.max() > 1.02 * aspect.min():
        _log.warning(
            "The images differ in shape (width / height from %.2f to %.2f); each is stretched to "
            "%d x %d pixels.",
            aspect.min(), aspect.max(), width, height,
        )  # fmt: skip
    distortion = np.maximum(aspect * height / width, width / (aspect * height))
    strong = int((distortion >= _STRONG).sum())
    if strong:
        worst = int(distortion.argmax())
        _log.warning(
            "Squeezed a lot: %d of %d images, such as from %d x %d to %d x %d pixels. Defects "
            "change shape, and small ones vanish; cut such images into parts of about equal sides.",
            strong, len(shapes), *shapes[worst], width, height,
        )  # fmt: skip
