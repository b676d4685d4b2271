"""Masks of pixels that do not count: found, refused, scaled as images are."""

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from nsa.errors import InputError
from nsa.images import load_images
from nsa.images.ignored import GREY, Ignored, as_seen, paint
from nsa.images.masks import Mask
from nsa.settings.config import Resize


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return path


def mask_of(random: np.random.Generator, shape: tuple[int, int]) -> Mask:
    """A box, and some pixels of their own."""
    mask = (random.random(shape) < 0.01).astype(np.uint8)
    top, left = (int(random.integers(side // 2)) for side in shape)
    mask[top : top + shape[0] // 3, left : left + shape[1] // 4] = 1
    mask[-1, -1] = 0
    return mask


def disturbed(random: np.random.Generator, image: np.ndarray, mask: Mask) -> np.ndarray:
    """The image with other pixels under the mask."""
    other = random.integers(0, 256, image.shape, dtype=np.uint8)
    return np.where(mask[:, :, None] > 0, other, image)


@pytest.mark.parametrize(
    ("resize", "size", "reflection"),
    [
        ("stretch", (40, 56), 0),
        ("stretch", (150, 170), 0),
        ("fit", (48, 48), 7),
        ("fit", (64, 64), 0),
    ],
)
def test_no_ignored_pixel_is_left_in_a_scaled_image(
    resize: Resize, size: tuple[int, int], reflection: int, tmp_path: Path, fresh_seed: int
) -> None:
    random = np.random.default_rng(fresh_seed)
    image = random.integers(0, 256, (91, 113, 3), dtype=np.uint8)
    mask = mask_of(random, (91, 113))
    paths = [
        write(tmp_path / "a.png", image),
        write(tmp_path / "b.png", disturbed(random, image, mask)),
    ]
    ignored = Ignored.open(write(tmp_path / "masks" / "m.png", mask * 255))
    one, other = load_images(
        paths, size, progress=False, warn=False, resize=resize, reflection=reflection
    )
    hidden = ignored.seen(paths, size, resize, reflection)
    assert hidden is not None
    assert hidden.shape == (1, *one.shape[1:])
    assert not torch.equal(one, other)
    assert torch.equal(paint(one[None], hidden), paint(other[None], hidden))
    assert (paint(one[None], hidden)[0, :, hidden[0]] == GREY).all()
    # And hardly more than that: what is left out has a part in its pixel, if one too small to see.
    black = [np.zeros_like(image), np.where(mask[:, :, None] > 0, 255, np.zeros_like(image))]
    for path, pixels in zip(paths, black, strict=True):
        write(path, pixels)
    one, other = load_images(
        paths, size, progress=False, warn=False, resize=resize, reflection=reflection
    )
    differs = (one != other).any(0)
    assert not (differs & ~hidden[0]).any()
    assert (differs ^ hidden[0]).float().mean() < 0.1  # 0.027 at most of 60 seeds


def test_a_mask_for_all_images(tmp_path: Path) -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[3:9, 4:11] = 1
    ignored = Ignored.open(write(tmp_path / "m.png", mask))
    np.testing.assert_array_equal(ignored.of(tmp_path / "any.png", (20, 30)), mask)
    with pytest.raises(
        InputError, match=r"m\.png is 30 x 20 pixels, but its image .*any\.png is 31"
    ):
        ignored.of(tmp_path / "any.png", (20, 31))
    ignored.write(tmp_path / "kept.png")
    np.testing.assert_array_equal(Ignored.open(tmp_path / "kept.png").one, mask)


def test_masks_that_leave_nothing_or_are_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InputError, match="marks all of its image"):
        Ignored.open(write(tmp_path / "full.png", np.full((8, 8), 255, np.uint8)))
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(InputError, match=r"text\.png"):
        Ignored.open(tmp_path / "text.png")
    with pytest.raises(InputError, match=r"There is no mask .*gone\.png"):
        Ignored.open(tmp_path / "gone.png")
    with caplog.at_level(logging.WARNING, "nsa"):
        empty = Ignored.open(write(tmp_path / "empty.png", np.zeros((8, 8), np.uint8)))
    assert "marks nothing" in caplog.text
    assert empty.of(tmp_path / "x.png", (8, 8)) is None
    thin = np.ones((200, 200), np.uint8)
    thin[100, 100] = 0
    with pytest.raises(InputError, match="leaves nothing of its image at 10 x 10 pixels"):
        as_seen(thin, (10, 10))


def test_a_folder_has_a_mask_an_image(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images = [write(tmp_path / "in" / f"{n}.png", np.zeros((9, 9, 3), np.uint8)) for n in "abc"]
    masks = tmp_path / "masks"
    mask = np.zeros((9, 9), np.uint8)
    mask[2, 3] = 255
    write(masks / "a.png", mask)
    write(masks / "b_mask.png", mask.T)
    ignored = Ignored.open(masks)
    with caplog.at_level(logging.INFO, "nsa"):
        ignored.check(images)
    assert "1 of 3 images have no mask in" in caplog.text
    seen = ignored.seen(images, (9, 9))
    assert seen is not None
    assert [one.nonzero().tolist() for one in seen] == [[[2, 3]], [[3, 2]], []]
    write(masks / "b_mask.png", mask[:8])
    with pytest.raises(
        InputError, match=r"b_mask\.png is 9 x 8 pixels, but its image .*b\.png is 9"
    ):
        ignored.seen(images, (9, 9))
    with pytest.raises(InputError, match="holds no mask for any of 1 image"):
        ignored.check(images[2:])


def test_images_of_one_name_need_folders_of_masks(tmp_path: Path) -> None:
    image, mask = np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), np.uint8)
    images = [write(tmp_path / kind / "good" / "0.png", image) for kind in ("train", "test")]
    masks = tmp_path / "masks"
    write(masks / "0.png", mask)
    with pytest.raises(InputError, match=r"has the name of two images, .*put masks into folders"):
        Ignored.open(masks).check(images)
    own = write(masks / "train" / "good" / "0.png", mask)
    Ignored.open(masks).check(images)
    assert Ignored.open(masks).find(images[0]) == own
    assert Ignored.open(masks).find(images[1]) == masks / "0.png"


def test_masks_are_joined(tmp_path: Path) -> None:
    mask = np.zeros((4, 5), np.uint8)
    one, other = mask.copy(), mask.copy()
    one[1, 2], other[3, 1] = 1, 1
    first, second = Ignored(tmp_path / "1.png", one), Ignored(tmp_path / "2.png", other)
    np.testing.assert_array_equal((first | second).one, one | other)
    assert first | first is first
    assert first | None is first
    with pytest.raises(InputError, match=r"1\.png is 5 x 4 pixels and .*3\.png is 4 x 4"):
        first | Ignored(tmp_path / "3.png", np.ones((4, 4), np.uint8))
