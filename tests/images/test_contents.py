"""Pictures that are known again: exactly in other files, and nearly after small edits."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nsa.errors import InputError
from nsa.images import Contents, load_images

SIDE = 160


def product(seed: int) -> Image.Image:
    """One of many alike: a fixed camera, a ring with some texture, placed by hand, and noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    cx, cy = 80 + random.normal(0, 1.5, 2)
    radius, angle = np.hypot(x - cx, y - cy), np.arctan2(y - cy, x - cx)
    turned = 12 * np.cos(5 * (angle + random.uniform(0, 2 * np.pi)))
    grey = np.where((radius > 25) & (radius < 60), 90 + turned, 200) + random.normal(0, 3, x.shape)
    return Image.fromarray(np.dstack([grey, grey * 0.9, grey * 0.8]).clip(0, 255).astype(np.uint8))


def saved(picture: Image.Image, **how: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", **how)
    return Image.open(file).convert("RGB")


def contents(pictures: list[Image.Image], name: str = "x") -> Contents:
    found = Contents([f"/{name}/{index}.png" for index in range(len(pictures))])
    for index, picture in enumerate(pictures):
        found.note(index, picture)
    return found


@pytest.fixture(scope="module")
def train() -> list[Image.Image]:
    return [product(seed) for seed in range(120)]


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG 90": lambda picture: saved(picture, quality=90),
    "JPEG 70": lambda picture: saved(picture, quality=70),
    "half the size": lambda picture: picture.resize((SIDE // 2, SIDE // 2)),
    "larger": lambda picture: picture.resize((200, 200), Image.Resampling.BICUBIC),
    "brighter": lambda picture: picture.point(lambda value: value + 10),
    "darker": lambda picture: picture.point(lambda value: 0.9 * value),
    "all of it": lambda picture: saved(picture.resize((120, 120)), quality=75).point(
        lambda value: value + 6
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_the_same_photograph_is_nearly_the_same(train: list[Image.Image], edit: str) -> None:
    edited = contents([EDITS[edit](picture) for picture in train[::4]])
    known = contents(train)
    assert edited.copies_of(known) == {}
    assert edited.near_copies_of(known) == {index: 4 * index for index in range(30)}


def test_products_before_a_fixed_camera_are_not(train: list[Image.Image]) -> None:
    known, new = contents(train), contents([product(1000 + seed) for seed in range(300)])
    assert new.near_copies_of(known) == {}
    assert new.near_copies_within(known) == {}
    assert known.near_copies_within(known) == {}


def test_photographs_that_differ_by_noise_alone_are_not() -> None:
    """One product in one place: only what changes less than the noise does is the same."""
    still, random = np.asarray(product(0)).astype(float), np.random.default_rng(0)
    shots = [
        Image.fromarray((still + random.normal(0, 2, still.shape)).clip(0, 255).astype(np.uint8))
        for _ in range(160)
    ]
    known, new = contents(shots[:80]), contents(shots[80:])
    assert new.near_copies_of(known) == {}
    brighter = contents([shot.point(lambda value: value + 4) for shot in shots[:10]])
    assert brighter.near_copies_of(known) == {index: index for index in range(10)}


def test_copies_in_the_training_set_do_not_hide_others(train: list[Image.Image]) -> None:
    known = contents([*train, *train[:60]])
    new = contents([saved(train[7], quality=80), train[8]])
    assert new.copies_of(known) == {1: 8}
    assert new.near_copies_of(known) == {0: 7}


@pytest.mark.parametrize("twins", [1, 4, 30, 120])
@pytest.mark.parametrize("each", [1, 2])
def test_near_copies_among_the_training_images_do_not_hide_others(
    train: list[Image.Image], twins: int, each: int
) -> None:
    twice = [saved(picture, quality=90 - 15 * k) for picture in train[:twins] for k in range(each)]
    known = contents([*train, *twice])
    assert known._near() == pytest.approx(contents(train)._near(), rel=0.25)
    new = contents([saved(train[7], quality=80), product(5000)])
    assert [*new.near_copies_of(known)] == [0]


def test_too_few_images_do_not_say_how_alike_they_are(train: list[Image.Image]) -> None:
    edited = contents([saved(train[0], quality=90)])
    for count, found in ((49, {}), (50, {0: 0})):
        known = contents([*train[:count], *train[:40]])  # copies do not make up for it
        assert edited.near_copies_of(known) == found


def test_a_part_says_how_alike_many_images_are(
    train: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken from everywhere: here copies of noise follow images that differ."""
    random, still = np.random.default_rng(0), np.asarray(train[0]).astype(float)
    noisy = [
        Image.fromarray((still + random.normal(0, 2, still.shape)).clip(0, 255).astype(np.uint8))
        for _ in range(60)
    ]
    known = contents([*train[:60], *noisy])
    edited = contents([saved(train[5], quality=70)])
    found = edited.near_copies_of(known)
    monkeypatch.setattr("nsa.images.contents._SAMPLE", 60)
    assert known._near() < 0.5 * contents(train[:60])._near()
    assert edited.near_copies_of(known) == found


def test_near_copies_among_each_other(train: list[Image.Image]) -> None:
    new = [product(2000), saved(product(2000), quality=80), product(2001), product(2001)]
    assert contents(new).near_copies_within(contents(train)) == {1: 0, 3: 2}
    negative = train[0].point(lambda value: 255 - value)
    assert contents([train[0], negative]).near_copies_within(contents(train)) == {}
    for few in (contents(new[:1]), contents([])):
        assert few.near_copies_within(contents(train)) == {}
    assert contents([]).near_copies_of(contents(train)) == {}
    assert contents(new).near_copies_of(contents([])) == {}


def test_even_pictures_are_no_near_copies() -> None:
    even = [Image.new("RGB", (20, 20), (value, value, value)) for value in range(120)]
    known = contents(even[:100])
    assert contents(even[100:]).near_copies_of(known) == {}


def test_pixels_decide_and_not_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    picture = product(3)
    files: dict[str, Callable[[Path], None]] = {
        "first.png": picture.save,
        "renamed.png": picture.save,
        "uncompressed.png": lambda path: picture.save(path, compress_level=0),
        "other kind.bmp": picture.save,
        "lossless.webp": lambda path: picture.save(path, lossless=True),
        "with alpha.png": picture.convert("RGBA").save,
        "one pixel.png": lambda path: _with_one_changed_pixel(picture).save(path),
        "narrower.png": picture.crop((0, 0, SIDE, SIDE - 1)).save,
        "other.jpg": picture.save,
    }
    for name, write in files.items():
        write(tmp_path / name)
    found = Contents([tmp_path / name for name in files])
    load_images(found.paths, (32, 32), progress=False, contents=found)
    assert found.firsts() == [0] * 6 + [6, 7, 8]
    assert len(set(found.names())) == 4
    assert found.different("photographs") == [0, 6, 7, 8]
    assert "5 of 9 photographs are copies of others, such as" in caplog.text
    # Whatever size they are loaded at.
    again = Contents(found.paths)
    load_images(found.paths, (64, 40), progress=False, contents=again)
    assert again.names() == found.names()
    assert again.copies_of(found) == {i: i if i > 5 else 0 for i in range(9)}


def _with_one_changed_pixel(picture: Image.Image) -> Image.Image:
    pixels = np.array(picture)
    pixels[-1, -1, 2] ^= 1
    return Image.fromarray(pixels)


def test_digests_are_those_of_earlier_versions() -> None:
    """Runs keep them in files."""
    expected = hashlib.sha256(b"L 3 2" + bytes([7] * 6)).hexdigest()[:32]
    assert contents([Image.new("L", (3, 2), 7)]).names() == [expected]


def test_the_same_bytes_in_another_shape_are_another_picture() -> None:
    wide = contents([Image.new("RGB", (6, 4))])
    for other in (Image.new("RGB", (4, 6)), Image.new("L", (18, 4))):
        assert contents([other]).copies_of(wide) == {}


def test_a_tall_image_is_hashed_in_strips() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (2100, 2003), dtype=np.uint8)  # more than a strip of 2^22
    whole = contents([Image.fromarray(pixels)])
    for row in (0, 2093, 2094, 2099):
        changed = pixels.copy()
        changed[row, 5] ^= 1
        assert contents([Image.fromarray(changed)]).copies_of(whole) == {}
    assert contents([Image.fromarray(pixels.copy())]).copies_of(whole) == {0: 0}


def test_contents_are_kept_in_a_file(train: list[Image.Image], tmp_path: Path) -> None:
    kept = contents(train[:5])
    kept.paths[1] = os.fsdecode(b"/x/\xff \xc3\xa4.png")
    for one in (kept, Contents([])):
        one.write(tmp_path / "contents")
        read = Contents.read(tmp_path / "contents")
        assert read.paths == one.paths
        np.testing.assert_array_equal(read.digests, one.digests)
        np.testing.assert_array_equal(read.pictures, one.pictures)
    assert kept.take([3, 0]).paths == ["/x/3.png", "/x/0.png"]
    assert kept.take([3, 0]).copies_of(kept) == {0: 3, 1: 0}


@pytest.mark.parametrize(
    "change", ["cut", "empty", "names", "shape", "type", "no number", "missing"]
)
def test_a_damaged_file_is_named(change: str, train: list[Image.Image], tmp_path: Path) -> None:
    import safetensors.numpy

    path = tmp_path / "contents"
    contents(train[:3]).write(path)
    whole, arrays = path.read_bytes(), safetensors.numpy.load(path.read_bytes())
    if change == "names":
        arrays["path"] = arrays.pop("paths")
    if change == "shape":
        arrays["pictures"] = arrays["pictures"][:2]
    if change == "no number":
        arrays["pictures"][1, 0] = np.nan
    if change == "type":
        arrays["digests"] = arrays["digests"].astype(np.int16)
    damaged = {"cut": whole[:-9], "empty": b""}
    path.write_bytes(damaged.get(change, safetensors.numpy.save(arrays)))
    if change == "missing":
        path.unlink()
    with pytest.raises(InputError, match=r"contents .*delete it"):
        Contents.read(path)
