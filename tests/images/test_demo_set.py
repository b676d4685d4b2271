"""The demo set: layout, determinism, masks that fit, and defects that can be seen."""

from __future__ import annotations

import hashlib
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from nsa.errors import InputError
from nsa.images import demo, load_images, load_mask, open_dataset
from nsa.images.demo import (
    board,
    brushed,
    canvas,
    circuit,
    fabric,
    flange,
    woodscrew,
    woodscrew_body,
)

SMALL = {"train": 3, "test_good": 2, "test_defective": 6, "progress": False}
DRAWERS = {
    "flange": flange, "fabric": fabric, "circuit": circuit, "woodscrew": woodscrew,
    "brushed": brushed,
}  # fmt: skip
SIZES = dict.fromkeys(DRAWERS, (320, 320)) | {"circuit": (1152, 1536)}
KINDS = [(name, kind) for name, module in DRAWERS.items() for kind in module.DEFECTS]


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.png"))
    }


@pytest.mark.parametrize("category", demo.CATEGORIES)
def test_written_in_the_layout_of_mvtec(tmp_path: Path, category: str) -> None:
    folder = demo.write(tmp_path, category, **SMALL)
    assert folder == tmp_path / category
    dataset = open_dataset(tmp_path, category)
    assert len(dataset.train) == 3
    assert sum(sample.is_good for sample in dataset.test) == 2
    defective = [sample for sample in dataset.test if not sample.is_good]
    assert len(defective) == 6
    assert {sample.defect for sample in defective} == set(DRAWERS[category].DEFECTS)
    for sample in defective:
        assert sample.mask is not None
        assert 0 < load_mask(sample.mask, SIZES[category], sample.path).mean() < 0.1
        assert cv2.imread(str(sample.path)).shape == (*SIZES[category], 3)
    paths = [sample.path for sample in dataset.train]
    images = load_images(paths, SIZES[category], progress=False)
    assert len({image.numpy().tobytes() for image in images}) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [category]


@pytest.mark.parametrize("category", ["fabric", "circuit"])
def test_the_seed_decides_and_counts_do_not(tmp_path: Path, category: str) -> None:
    few = {**SMALL, "train": 1, "test_good": 0, "test_defective": 1}
    first = fingerprint(demo.write(tmp_path / "a", category, 1, **few))
    more = {**few, "train": 2, "test_defective": 2}
    second = fingerprint(demo.write(tmp_path / "b", category, 1, **more))
    assert len(second) == len(first) + 3
    assert first.items() <= second.items()
    third = fingerprint(demo.write(tmp_path / "c", category, 2, **few))
    assert first.keys() == third.keys()
    assert not set(first.values()) & set(third.values())


def test_a_category_has_counts_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_draw", lambda folder, *_: folder.mkdir())
    for category, usual in (("flange", (160, 24, 40)), ("circuit", (48, 16, 24))):
        for given in ({}, {"test_good": 0}):
            folder = demo.write(tmp_path, category, progress=False, **given)
            noted = json.loads((folder / "demo.json").read_text())
            counts = (noted["train"], noted["test_good"], noted["test_defective"])
            assert counts == (usual[0], given.get("test_good", usual[1]), usual[2])


def test_a_complete_set_is_reused_and_another_replaced(tmp_path: Path) -> None:
    folder = demo.write(tmp_path, "flange", **SMALL)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    demo.write(tmp_path, "flange", **SMALL)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")} == before
    demo.write(tmp_path, "flange", **{**SMALL, "train": 1})
    assert len(open_dataset(tmp_path, "flange").train) == 1


def test_what_a_kill_left_is_drawn_anew(tmp_path: Path) -> None:
    whole = fingerprint(demo.write(tmp_path / "whole", "flange", **SMALL))
    (tmp_path / ".flange.nsa-tmp").touch()
    (tmp_path / ".flange.drawn" / "train").mkdir(parents=True)
    (tmp_path / ".flange.drawn" / "train" / "half.png").write_bytes(b"half")
    assert fingerprint(demo.write(tmp_path, "flange", **SMALL)) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flange", "whole"]


def test_of_two_who_draw_the_same_set_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, drawn = demo._draw, []

    def counted(*arguments: Any) -> None:
        drawn.append(1)
        draw(*arguments)

    monkeypatch.setattr(demo, "_draw", counted)
    with ThreadPoolExecutor() as pool:
        folders = [pool.submit(demo.write, tmp_path, "fabric", **SMALL) for _ in range(3)]
        assert {folder.result() for folder in folders} == {tmp_path / "fabric"}
    assert len(drawn) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["fabric"]


def with_and_without(
    category: str, kind: str, seed: int
) -> tuple[canvas.Plane, canvas.Plane, canvas.Mask]:
    """One part twice, good and defective, before the camera; and the mask."""
    random, texture = np.random.default_rng(seed), np.random.SeedSequence(seed)
    if category == "flange":
        part, same = (flange._Part(158.0, 162.0, 0.03, -2.2) for _ in range(2))
        good, steel = flange._render(part, np.random.default_rng(texture))
        if kind in flange._SURFACE_DEFECTS:
            return good, *flange._SURFACE_DEFECTS[kind](good, steel, part, random)
        mask = flange._SHAPE_DEFECTS[kind](same, random)
        return good, flange._render(same, np.random.default_rng(texture))[0], mask
    if category == "circuit":
        photo = circuit._photograph(np.random.default_rng(texture))
        good = photo.picture.copy()
        mask = circuit._spoil(photo, kind, random)
        return good, photo.picture, mask
    if category == "woodscrew":
        metal = woodscrew_body.lay(np.random.default_rng(texture))
        good = canvas.mix(woodscrew._TABLE, *woodscrew_body.render(metal))
        woodscrew._DEFECTS[kind](metal, random)
        defective = canvas.mix(woodscrew._TABLE, *woodscrew_body.render(metal))
        return good, defective, woodscrew._difference(good, defective)
    if category == "brushed":
        sheet = brushed._roll(np.random.default_rng(texture))
        return sheet.seen(), *brushed._DEFECTS[kind](sheet.seen(), sheet, random)
    cloth, same = (fabric._lay(np.random.default_rng(seed)) for _ in range(2))
    good = fabric._weave(cloth, np.random.default_rng(texture))
    if kind in fabric._SURFACE_DEFECTS:
        return good, *fabric._SURFACE_DEFECTS[kind](good, cloth, random)
    mask = fabric._WEAVE_DEFECTS[kind](same, random)
    return good, fabric._weave(same, np.random.default_rng(texture)), mask


@pytest.mark.parametrize(("category", "kind"), KINDS)
def test_defects_lie_under_their_masks(category: str, kind: str) -> None:
    for seed in range(4):
        good, defective, mask = with_and_without(category, kind, seed)
        assert good.dtype == defective.dtype == np.float32
        assert set(np.unique(mask)) == {0, 255}
        change = np.abs(defective - good).max(axis=2)
        assert change[mask > 0].mean() > 0.025
        assert change[mask == 0].mean() < 0.002
        # Shadows and soft edges may reach a little further; a thread's shadow is as wide as it.
        clear = mask[change > 0.08] > 0
        faint = category == "brushed" and not clear.size
        assert clear.sum() > (~clear).sum() or faint


@pytest.mark.parametrize("category", demo.CATEGORIES)
def test_brightness_alone_does_not_tell(category: str) -> None:
    draw, kinds = DRAWERS[category].draw, DRAWERS[category].DEFECTS
    count = 6 if category == "circuit" else 10  # large pictures take longer
    good = [draw(np.random.default_rng([0, seed]))[0].mean() for seed in range(count + 2)]
    bad = [
        draw(np.random.default_rng([1, seed]), kinds[seed % len(kinds)])[0].mean()
        for seed in range(count)
    ]
    below = np.mean([g < b for g in good for b in bad])
    assert 0.1 < below < 0.9


@pytest.mark.parametrize("kind", woodscrew.DEFECTS)
def test_defects_of_the_screw_are_small(kind: str, fresh_seed: int) -> None:
    for seed in np.random.default_rng(fresh_seed).integers(2**32, size=3):
        good, defective, mask = with_and_without("woodscrew", kind, int(seed))
        x, y, width, height = cv2.boundingRect(mask)
        assert 4 <= max(width, height) <= 40
        assert min(x, y, 320 - x - width, 320 - y - height) >= 12
        changed = np.abs(defective - good).max(axis=2) > woodscrew._SEEN
        assert (mask[changed] > 0).mean() > 0.9


def test_screws_lie_anyhow_and_sheets_are_grey(fresh_seed: int) -> None:
    rng = np.random.default_rng(fresh_seed)
    turns = np.array([woodscrew_body.lay(rng).turn for _ in range(40)])
    assert np.hypot(np.cos(turns).mean(), np.sin(turns).mean()) < 0.6
    sheets = [brushed.draw(rng)[0].astype(float) for _ in range(12)]
    assert max(np.ptp(sheet.mean(axis=(0, 1))) for sheet in sheets) < 20
    assert np.ptp([sheet.mean() for sheet in sheets]) > 15


@pytest.mark.parametrize("kind", circuit.DEFECTS)
def test_defects_of_the_circuit_are_small_and_their_masks_exact(kind: str, fresh_seed: int) -> None:
    for seed in np.random.default_rng(fresh_seed).integers(2**32, size=4):
        good, defective, mask = with_and_without("circuit", kind, int(seed))
        change = np.abs(defective - good).max(axis=2)
        np.testing.assert_array_equal(mask > 0, change > 0.035)
        pieces, labels, stats, centers = cv2.connectedComponentsWithStats(mask)
        assert 2 <= pieces <= 4
        longest = stats[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1)
        assert longest.min() >= 4
        assert longest.max() <= 12
        assert centers[1:].min() >= 40
        assert (np.array([1536, 1152]) - centers[1:]).min() >= 40
        for piece in range(1, pieces):
            assert change[labels == piece].mean() > 0.07  # what an eye sees
        # Nothing is darker than holes and brighter than print and gold.
        darkest, brightest = np.quantile(good.mean(axis=2), [0.001, 0.999])
        values = defective.mean(axis=2)[mask > 0]
        assert ((darkest < values) & (values < brightest)).mean() > 0.9


def test_defects_of_the_circuit_are_lost_in_small_pictures(fresh_seed: int) -> None:
    """They change a picture of 256 px less than one good board differs from the next."""

    def small(picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return cv2.resize(picture.mean(axis=2), (256, 256), interpolation=cv2.INTER_AREA)

    rng = np.random.default_rng(fresh_seed)
    changes, others, former = [], [], None
    for kind in circuit.DEFECTS * 2:
        good, defective, mask = with_and_without("circuit", kind, int(rng.integers(2**32)))
        share = cv2.resize(mask, (256, 256), interpolation=cv2.INTER_AREA)
        changes += np.abs(small(defective) - small(good))[share > 0].tolist()
        if former is not None:
            others.append(np.abs(small(good) - former).mean())
        former = small(good)
    assert np.mean(changes) < np.mean(others)


def test_a_board_fills_its_picture_wherever_it_lies() -> None:
    everywhere = np.full_like(board.design().ink, 255)
    far = itertools.product(
        *((-most, most) for most in (circuit._TURN, circuit._ZOOM)),
        *((-most - 6, most + 6) for most in [circuit._SHIFT] * 2),  # print lies askew besides
    )
    for pose in far:
        assert circuit._seen(everywhere, circuit._pose(*pose)).min() == 1


def test_mistakes_are_explained(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match="no demo category 'cup'; there are fabric, flange, circuit, woodscrew, brushed",
    ):
        demo.write(tmp_path, "cup")
    with pytest.raises(InputError, match="counts of at least 0, and one training image"):
        demo.write(tmp_path, "flange", train=0)
    (tmp_path / "flange").mkdir()
    (tmp_path / "flange" / "mine.txt").write_text("keep me")
    with pytest.raises(InputError, match=r"flange exists and is not a demo set"):
        demo.write(tmp_path, "flange", **SMALL)
    assert (tmp_path / "flange" / "mine.txt").read_text() == "keep me"
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be written to .*file/flange"):
        demo.write(tmp_path / "file", "flange", **SMALL)
