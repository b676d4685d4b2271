"""The demo set: layout, determinism, masks that fit, and defects that can be seen."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsa.errors import InputError
from nsa.images import demo, load_images, load_mask, open_dataset
from nsa.images.demo import canvas, fabric, flange

SMALL = {"train": 3, "test_good": 2, "test_defective": 6, "progress": False}
DRAWERS = {"flange": flange, "fabric": fabric}
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
        assert 0 < load_mask(sample.mask, (320, 320), sample.path).mean() < 0.1
    images = load_images([sample.path for sample in dataset.train], (320, 320), progress=False)
    assert len({image.numpy().tobytes() for image in images}) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [category]


def test_the_seed_decides_and_counts_do_not(tmp_path: Path) -> None:
    few = {**SMALL, "train": 2, "test_defective": 2}
    first = fingerprint(demo.write(tmp_path / "a", "fabric", 1, **few))
    more = {**few, "train": 3, "test_defective": 3}
    second = fingerprint(demo.write(tmp_path / "b", "fabric", 1, **more))
    assert len(second) == len(first) + 3
    assert first.items() <= second.items()
    third = fingerprint(demo.write(tmp_path / "c", "fabric", 2, **few))
    assert first.keys() == third.keys()
    assert not set(first.values()) & set(third.values())


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
        assert (mask[change > 0.08] > 0).mean() > 0.5


@pytest.mark.parametrize("category", demo.CATEGORIES)
def test_brightness_alone_does_not_tell(category: str) -> None:
    draw = DRAWERS[category].draw
    good = [draw(np.random.default_rng([0, seed]))[0].mean() for seed in range(12)]
    kinds = DRAWERS[category].DEFECTS
    bad = [draw(np.random.default_rng([1, seed]), kinds[seed % 5])[0].mean() for seed in range(10)]
    below = np.mean([g < b for g in good for b in bad])
    assert 0.1 < below < 0.9


def test_mistakes_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no demo category 'cup'; there are flange, fabric"):
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
