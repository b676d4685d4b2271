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
from PIL import Image

from nsa.detectors.detector import Detector, Judged, Scored, check_scores
from nsa.errors import InputError
from nsa.images import Contents, Sample, load_mask
from nsa.images.decode import as_array, decode
from nsa.images.ignored import Ignored
from nsa.images.load import describe, worker_count
from nsa.images.masks import Mask
from nsa.images.source import Source
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


def decode_for(detector: Detector, source: Source) -> Image.Image:
    """Decode an image that a detector is to judge.

    Raises:
        InputError: it cannot be read, or is of a shape that cannot be judged; the message names it.
    """
    picture = decode(source, detector.channels, detector.levels)
    try:
        detector.check_shape((picture.height, picture.width))
    except InputError as error:
        raise InputError(f"{source} {error}") from error
    return picture


def judge_group(
    detector: Detector,
    images: Sequence[Pixels],
    names: Sequence[object],
    hidden: Sequence[Mask | None] | None = None,
) -> list[Judged]:
    """Judge images, uint8 (H, W, channels), of which memory holds all.

    Args:
        names: of the images, for the message.
        hidden: what does not count of each beside what the detector ignores; None: nothing.

    Raises:
        InputError: a score or a map is not finite.
    """
    judgements = detector.judge(images) if hidden is None else detector.judge(images, hidden)
    for name, judged in zip(names, judgements, strict=True):
        score = torch.tensor([judged.score], dtype=torch.float64, device="cpu")
        check_scores(Scored(score, torch.from_numpy(judged.map)[None]), [name])
    return judgements


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
            picture = decode_for(detector, paths[index])
            if ignored is not None:
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
            names = [paths[number] for number in numbers]
            judgements = judge_group(detector, group, names, hidden if ignored else None)
            yield [*map(JudgedFile, numbers, group, judgements)]
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
