"""Training images of their own sizes: crops of them, whether memory holds all or hardly any."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from tiny import write

from nsa.errors import InputError
from nsa.images import Contents, full_size, load_images, read_image, resize
from nsa.images.augment import augment
from nsa.images.frame import fill, scaled_shape, window_in
from nsa.images.full_size import FullSizeImages, load_to_train_on, memory_for_images
from nsa.plan.augmentation import Augmentation, draw_crops
from nsa.settings.config import ImageConfig
from nsa.system.cores import PROCESSES

NATIVE = ImageConfig(
    size=(130, 150), resize="none", center_crop=None, crop=(40, 48), vertical_flip=True
)
SHAPES = [(40, 48), (41, 150), (130, 48), (97, 103), (64, 64), (75, 141), (130, 150)]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory, fresh_seed: int) -> list[Path]:
    random = np.random.default_rng(fresh_seed)
    folder = tmp_path_factory.mktemp("sizes")
    for index, shape in enumerate(SHAPES):
        write(folder / f"{index}.png", random.integers(0, 256, (*shape, 3), np.uint8))
    return sorted(folder.iterdir())


def cut(images: list[npt.NDArray[np.uint8]], where: Augmentation) -> npt.NDArray[np.uint8]:
    """The crops, by the definition."""
    crops = []
    for image, top, left, flip in zip(images, where.top, where.left, where.flip, strict=True):
        crop = image[top : top + where.crop[0], left : left + where.crop[1]]
        crops.append(crop[::-1] if flip else crop)
    return np.stack(crops)


@pytest.mark.parametrize("kept", [0, 1, 2, 100])  # images of the largest size that memory holds
@pytest.mark.parametrize("channels", [1, 3])
def test_crops_are_pieces_of_the_files(
    paths: list[Path], fresh_seed: int, kept: int, channels: int
) -> None:
    config = ImageConfig(**{**vars(NATIVE), "channels": channels})
    memory = kept * 130 * 150 * channels
    images = FullSizeImages(paths, config, progress=False, memory=memory)
    assert images.shapes.tolist() == [[*shape] for shape in SHAPES]
    assert images.whole == (kept == 100)
    random = np.random.default_rng(fresh_seed)

    def draw(seed: int) -> tuple[npt.NDArray[np.int64], Augmentation]:
        chosen = np.random.default_rng(seed).integers(0, len(paths), 9)
        return chosen, draw_crops(config, images.shapes[chosen], seed)

    # As workers that prepare steps do, all at once.
    drawn = [draw(int(seed)) for seed in random.integers(0, 2**40, 12)]
    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(lambda one: images.crops(*one), drawn)]
    for crops, (chosen, where) in zip(found, drawn, strict=True):
        files = [read_image(paths[index], channels) for index in chosen]
        np.testing.assert_array_equal(crops, cut(files, where))
    held = sum(pixels.nbytes for pixels in images._kept.values())
    assert held == images._bytes
    assert held <= max(memory, 130 * 150 * channels)


def test_images_are_scaled_in_their_own_shape(paths: list[Path]) -> None:
    config = ImageConfig(size=(200, 180), resize="fit", center_crop=None, crop=(32, 32))
    images = load_to_train_on(paths, config, progress=False)
    assert isinstance(images, FullSizeImages)
    for path, shape, (height, width) in zip(paths, images.shapes.tolist(), SHAPES, strict=True):
        factor = min(200 / height, 180 / width)
        assert shape == [round(factor * height), round(factor * width)]
        where = Augmentation(
            np.zeros(1, np.float32), np.array([3], np.int32), np.array([1], np.int32),
            np.zeros(1, np.uint8), (32, 32),
        )  # fmt: skip
        crop = images.crops(np.array([paths.index(path)]), where)[0]
        whole = resize(read_image(path), tuple(shape))
        np.testing.assert_array_equal(crop, whole[3:35, 1:33])


def test_crops_lie_anywhere_up_to_every_border(fresh_seed: int) -> None:
    shapes = np.tile([[42, 48], [40, 50]], (4000, 1))
    where = draw_crops(NATIVE, shapes, fresh_seed)
    for row, (tops, lefts) in enumerate([(3, 1), (1, 3)]):
        for found, choices in ((where.top[row::2], tops), (where.left[row::2], lefts)):
            counts = np.bincount(found, minlength=choices)
            # Of 4,000: six standard deviations of a third.
            assert len(counts) == choices
            assert np.abs(counts - 4000 / choices).max() < 180
    assert abs(where.flip.mean() - 0.5) < 0.035
    assert not where.angle.any()


def test_what_images_hold_is_noted(paths: list[Path]) -> None:
    loaded, streamed = Contents(paths), Contents(paths)
    load_images(paths, (64, 64), progress=False, warn=False, contents=loaded)
    FullSizeImages(paths, NATIVE, progress=False, contents=streamed, memory=0)
    np.testing.assert_array_equal(streamed.digests, loaded.digests)
    np.testing.assert_array_equal(streamed.pictures, loaded.pictures)


def test_examples_are_crops(paths: list[Path]) -> None:
    images = FullSizeImages(paths, NATIVE, progress=False)
    found = augment(images, NATIVE, seed=3)
    where = draw_crops(NATIVE, images.shapes, 3)
    expected = cut([read_image(path) for path in paths], where)
    np.testing.assert_array_equal(found.permute(0, 2, 3, 1).numpy(), expected)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    write(tmp_path / "a.png", np.zeros((50, 50, 3), np.uint8))
    write(tmp_path / "b.png", np.zeros((39, 90, 3), np.uint8))
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    with pytest.raises(InputError, match=r"b\.png is 90 x 39 px, smaller than the crop of 48 x 40"):
        FullSizeImages(files, NATIVE, progress=False)
    fitted = ImageConfig(size=(60, 60), resize="fit", center_crop=None, crop=(40, 48))
    with pytest.raises(InputError, match=r"b\.png is 60 x 26 px at --size 60, smaller"):
        FullSizeImages(files, fitted, progress=False)
    images = FullSizeImages(files[:1], NATIVE, progress=False, memory=0)
    everywhere = draw_crops(NATIVE, images.shapes, 0)
    write(tmp_path / "a.png", np.zeros((60, 50, 3), np.uint8))
    with pytest.raises(InputError, match=r"a\.png has changed since the training began"):
        images.crops(np.array([0]), everywhere)
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"a\.png cannot be read"):
        images.crops(np.array([0]), everywhere)


def test_a_frame_is_filled_by_reflection(fresh_seed: int) -> None:
    random = np.random.default_rng(fresh_seed)
    for _ in range(40):
        size = (int(random.integers(1, 30)), int(random.integers(1, 30)))
        height, width = int(random.integers(1, size[0] + 1)), int(random.integers(1, size[1] + 1))
        image = random.integers(0, 256, (height, width, 3), np.uint8)
        beyond = int(random.integers(0, 4))
        found = fill(image, size, beyond)
        assert found.shape == (size[0] + 2 * beyond, size[1] + 2 * beyond, 3)
        rows, columns = window_in(size, (height, width)).slices
        inner = found[beyond : beyond + size[0], beyond : beyond + size[1]]
        np.testing.assert_array_equal(inner[rows, columns], image)
        top, left = rows.start + beyond, columns.start + beyond
        expected = cv2.copyMakeBorder(
            image, top, found.shape[0] - top - height, left, found.shape[1] - left - width,
            cv2.BORDER_REFLECT_101,
        ) if min(height, width) > 1 else None  # fmt: skip
        if expected is not None:
            np.testing.assert_array_equal(found, expected)


def test_fitting_keeps_the_shape(tmp_path: Path, fresh_seed: int) -> None:
    random = np.random.default_rng(fresh_seed)
    sizes = [(30, 90), (90, 30), (61, 64), (200, 7)]
    for index, shape in enumerate(sizes):
        write(tmp_path / f"{index}.png", random.integers(0, 256, (*shape, 3), np.uint8))
    files = sorted(tmp_path.iterdir())
    frame = (48, 64)
    loaded = load_images(files, frame, progress=False, resize="fit", reflection=5)
    assert loaded.shape == (4, 3, 58, 74)
    for path, pixels, shape in zip(files, loaded, sizes, strict=True):
        scaled = scaled_shape(shape, frame, "fit")
        assert scaled[0] == frame[0] or scaled[1] == frame[1]
        assert scaled[0] / scaled[1] == pytest.approx(shape[0] / shape[1], rel=0.5 / min(scaled))
        window = window_in(frame, scaled)
        rows, columns = window.slices
        with Image.open(path) as file:
            expected = np.asarray(file.resize(scaled[::-1], Image.Resampling.BILINEAR))
        inner = pixels[:, 5:-5, 5:-5].permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(inner[rows, columns], expected)
        np.testing.assert_array_equal(inner, fill(resize(read_image(path), scaled), frame))
        assert abs(2 * window.top + window.height - frame[0]) <= 1


def test_processes_share_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_size, "available_memory", lambda: 1000)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    monkeypatch.delenv(PROCESSES, raising=False)
    assert memory_for_images() == 400
    monkeypatch.setenv(PROCESSES, "4")
    assert memory_for_images() == 100
