"""Image files judged at their own sizes: decoded ahead, and in groups that fit into memory."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from nsa.detectors.detector import Detector, Judged, Scored, check_scores
from nsa.errors import InputError
from nsa.images import Contents, Sample, load_mask
from nsa.images.decode import as_array, decode
from nsa.images.ignored import Ignored
from nsa.images.load import describe, worker_count
from nsa.images.masks import Mask
from nsa.images.stream import Pixels, groups, map_ahead
from nsa.images.unreadable import list_all

_NAMED = 10  # in a message


class JudgedFile(NamedTuple):
    """What a detector says of one of several files.

    Attributes:
        number: of the file among them, from 0.
        image: uint8 (H, W, channels).
        judged: score and map, both finite.
    """

    number: int
    image: Pixels
    judged: Judged


def judge_files(
    detector: Detector,
    paths: Sequence[Path],
    pool: ThreadPoolExecutor,
    failures: dict[int, InputError] | None = None,
    contents: Contents | None = None,
    ignored: Ignored | None = None,
) -> Generator[list[JudgedFile], None, None]:
    """Judge images of any sizes, group by group, in the order of their files.

    Args:
        pool: reads files.
        failures: gets the reason of each file that cannot be read, by its index; None: such a file
            is an error, before which all others are read, so that every one of its kind is named.
        contents: of these paths, to be filled with what the images hold.
        ignored: what does not count of them beside what the detector ignores; a mask that does not
            fit is an error of its file.

    Raises:
        InputError: files cannot be read, or a score or a map is not finite.
    """
    waiting: deque[int] = deque()  # those that are read but not yet judged
    masks: dict[int, Mask | None] = {}  # of these
    failed: dict[int, InputError] = {} if failures is None else failures

    def read(index: int) -> Pixels | InputError:
        try:
            picture = decode(paths[index], detector.channels, detector.levels)
        except InputError as error:
            return error
        try:
            detector.check_shape((picture.height, picture.width))
        except InputError as error:
            return InputError(f"{paths[index]} {error}")
        if ignored is not None:
            try:
                masks[index] = ignored.of(paths[index], (picture.height, picture.width))
            except InputError as error:
                return error
        if contents is not None:
            contents.note(index, picture)
        return as_array(picture)

    def readable(images: Iterator[Pixels | InputError]) -> Iterator[Pixels]:
        for index, image in enumerate(images):
            if isinstance(image, InputError):
                failed[index] = image
            elif failures is not None or not failed:
                waiting.append(index)
                yield image

    with contextlib.closing(map_ahead(read, range(len(paths)), pool, worker_count())) as images:
        for group in groups(readable(images)):
            numbers = [waiting.popleft() for _ in group]
            hidden = [masks.pop(number, None) for number in numbers]
            judgements = detector.judge(group, hidden) if ignored else detector.judge(group)
            found = [*map(JudgedFile, numbers, group, judgements)]
            for number, _, judged in found:
                score = torch.tensor([judged.score], dtype=torch.float64, device="cpu")
                check_scores(Scored(score, torch.from_numpy(judged.map)[None]), [paths[number]])
            yield found
    if failures is None and failed:
        told = describe([*failed.values()], len(paths))
        raise InputError(f"{told} {list_all(failed, paths)}" if len(failed) > _NAMED else told)


def judge_samples(
    detector: Detector,
    samples: Sequence[Sample],
    contents: Contents | None = None,
    ignored: Ignored | None = None,
) -> Iterator[tuple[JudgedFile, Mask]]:
    """Judge test images at their own size, each with its mask: uint8 0/1 (H, W), 0 without a file.

    The mask has nothing of what is ignored.

    Arguments and errors as of :func:`judge_files`.

    Raises:
        InputError: a mask cannot be read, or does not fit its image.
    """

    def mask_of(file: JudgedFile) -> Mask:
        sample = samples[file.number]
        if sample.mask is None:
            return np.zeros(file.image.shape[:2], dtype=np.uint8)
        mask = load_mask(sample.mask, None, sample.path)
        for one in (detector.ignored, ignored):
            hidden = None if one is None else one.of(sample.path, mask.shape)
            mask = mask if hidden is None else mask & ~hidden
        return mask

    paths = [sample.path for sample in samples]
    with (
        ThreadPoolExecutor(worker_count()) as pool,
        contextlib.closing(
            judge_files(detector, paths, pool, contents=contents, ignored=ignored)
        ) as files,
    ):
        for group in files:
            yield from zip(group, pool.map(mask_of, group), strict=True)
