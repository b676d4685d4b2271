"""Training images of their own size and shape, in memory as far as they fit, and crops of them."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from nsa.errors import InputError
from nsa.images.contents import Contents
from nsa.images.decode import Pixels, as_array, decode, scale
from nsa.images.frame import Shape, scaled_shape
from nsa.images.ignored import GREY, Ignored, as_seen, paint
from nsa.images.load import load_each, load_images
from nsa.plan.augmentation import Augmentation
from nsa.settings.config import ImageConfig
from nsa.system.cores import own_cores, sharers
from nsa.system.memory import available_memory

_log = logging.getLogger("nsa")

_SHARE = 0.4  # of the available memory; the training itself needs the rest


class FullSizeImages:
    """Images that are decoded when crops of them are needed, and kept as long as memory allows.

    Args:
        paths: N files; every one is decoded once here, so that a damaged one is no surprise later.
        config: with crops of images of their own shape.
        progress: show a progress bar on standard error.
        contents: of these paths, to be filled with what the images hold.
        memory: bytes for decoded images; None: two fifths of what is available.
        ignored: what does not count of them; it is painted over.

    Attributes:
        shapes: int64 (N, 2), height and width of each, px.
        channels: of all of them.
        ignores: whether crops have one more channel, 1 on what does not count and 0 elsewhere.
        contents: what they hold.

    Raises:
        InputError: an image cannot be read, or is smaller than the crop.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        config: ImageConfig,
        *,
        progress: bool = True,
        contents: Contents | None = None,
        memory: int | None = None,
        ignored: Ignored | None = None,
    ) -> None:
        self.channels, self.ignores = config.channels, ignored is not None
        self._ignored = ignored
        self.contents = Contents(paths) if contents is None else contents
        self.shapes = np.zeros((len(paths), 2), dtype=np.int64)
        self._paths, self._config = list(paths), config
        self._limit = memory_for_images() if memory is None else memory
        self._kept: OrderedDict[int, Pixels] = OrderedDict()  # the last used one last
        self._bytes = 0
        self._coming: dict[int, Future[Pixels]] = {}
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        load_each(paths, self._load_first, progress)
        self.whole = len(self._kept) == len(paths)
        if not self.whole:
            total = int(self.shapes.prod(axis=1).sum()) * self.channels
            _log.info(
                "The training images take %.1f GB, of which %.1f GB are in memory at a time; the "
                "others are read again when their turn comes.", total / 1e9, self._limit / 1e9,
            )  # fmt: skip

    def __len__(self) -> int:
        return len(self._paths)

    def expect(self, images: Iterable[int]) -> None:
        """Begin to decode images of which crops are going to be asked for."""
        if self.whole:
            return
        with self._lock:
            for index in dict.fromkeys(images):
                self._request(index)

    def crops(self, image: npt.NDArray[np.int64], where: Augmentation) -> Pixels:
        """Crops, uint8 (n, rows, columns, channels), of some of the images; see :attr:`ignores`.

        Args:
            image: (n,) which of them.
            where: their places and flips; nothing is rotated.

        Raises:
            InputError: a file has become unreadable, or another size, since it was first read.
        """
        rows, columns = where.crop
        channels = self.channels + self.ignores
        result = np.empty((len(image), rows, columns, channels), dtype=np.uint8)
        self.expect(image.tolist())
        for row, index in enumerate(image.tolist()):
            top, left = where.top[row], where.left[row]
            crop = self._get(index)[top : top + rows, left : left + columns]
            result[row] = crop[::-1] if where.flip[row] else crop
        return result

    def _load_first(self, index: int) -> None:
        """Decode an image for the first time, and keep it if there is still room."""
        pixels = self._decode(index, note=True)
        self.shapes[index] = pixels.shape[:2]
        with self._lock:
            if self._bytes + pixels.nbytes <= self._limit:
                self._kept[index] = pixels
                self._bytes += pixels.nbytes

    def _decode(self, index: int, *, note: bool = False) -> Pixels:
        path, config = self._paths[index], self._config
        picture = decode(path, config.channels, config.levels)
        if note:
            self.contents.note(index, picture)
        pixels = as_array(scale(picture, self._scaled((picture.height, picture.width))))
        height, width = pixels.shape[:2]
        if height < config.crop[0] or width < config.crop[1]:
            raise InputError(too_small(path, (height, width), config))
        if not note and (height, width) != tuple(self.shapes[index]):
            raise InputError(f"{path} has changed since the training began; start a new run.")
        return pixels if self._ignored is None else self._painted(pixels, path, picture.size)

    def _painted(self, pixels: Pixels, path: Path, size: tuple[int, int]) -> Pixels:
        """An image of which nothing ignored is left, with one more channel that says where."""
        assert self._ignored is not None
        mask = self._ignored.of(path, (size[1], size[0]))
        hidden = np.zeros(pixels.shape[:2], np.uint8)
        if mask is not None:
            config = self._config
            hidden[:] = as_seen(mask, config.size, config.resize, framed=False).numpy()
            pixels = np.where(hidden[:, :, None], np.uint8(GREY), pixels)
        return np.dstack([pixels, hidden])

    def _scaled(self, shape: Shape) -> Shape:
        return scaled_shape(shape, self._config.size, self._config.resize)

    def _get(self, index: int) -> Pixels:
        with self._lock:
            if index in self._kept:
                self._kept.move_to_end(index)
                return self._kept[index]
            coming = self._request(index)
        assert coming is not None
        return coming.result()

    def _request(self, index: int) -> Future[Pixels] | None:
        """Let an image be decoded that is not there yet; the caller holds the lock."""
        if index in self._kept:
            self._kept.move_to_end(index)
            return None
        if index not in self._coming:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(own_cores(), "decode")
            self._coming[index] = self._pool.submit(self._decode_and_keep, index)
        return self._coming[index]

    def _decode_and_keep(self, index: int) -> Pixels:
        try:
            pixels = self._decode(index)
        except BaseException:
            with self._lock:
                del self._coming[index]
            raise
        with self._lock:
            del self._coming[index]
            self._kept[index] = pixels
            self._bytes += pixels.nbytes
            while self._bytes > self._limit and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= dropped.nbytes
        return pixels


def load_to_train_on(
    paths: Sequence[Path],
    config: ImageConfig,
    progress: bool = True,
    contents: Contents | None = None,
    ignored: Ignored | None = None,
) -> Tensor | FullSizeImages:
    """Training images as a configuration says, with what is ignored painted over.

    Returns:
        uint8 (N, C, *config.stored_size), or images of their own sizes where crops are taken.

    Raises:
        InputError: as :func:`nsa.images.load_images` and :class:`FullSizeImages`, or a mask is of
            another size than its image.
    """
    if config.cropped:
        if ignored is not None:
            ignored.check_sizes(paths)
        return FullSizeImages(paths, config, progress=progress, contents=contents, ignored=ignored)
    images = load_images(
        paths, config.size, config.channels, progress, contents=contents,
        reflection=config.reflection, resize=config.resize, levels=config.levels,
    )  # fmt: skip
    return paint(images, ignored_in(paths, config, ignored), in_place=True)


def ignored_in(
    paths: Sequence[Path], config: ImageConfig, ignored: Ignored | None
) -> Tensor | None:
    """What is ignored of the images of :func:`load_to_train_on` that have one size.

    Returns:
        bool (N or 1, *config.stored_size); None: nothing, or images of their own sizes, which know
        it themselves.
    """
    if ignored is None or config.cropped:
        return None
    return ignored.seen(paths, config.size, config.resize, config.reflection)


def memory_for_images() -> int:
    """Bytes of decoded training images that this process may have in memory at a time."""
    return int(_SHARE * available_memory() / sharers())


def too_small(path: Path, shape: Shape, config: ImageConfig) -> str:
    """That an image has no room for a crop, and what to do."""
    (height, width), (rows, columns) = shape, config.crop
    scaled = "" if config.resize == "none" else f" at --size {max(config.size)}"
    return (
        f"{path} is {width} x {height} px{scaled}, smaller than the crop of {columns} x {rows} px; "
        "choose a smaller --crop, or remove this image."
    )
