"""Names of the files that ``nsa predict`` writes: one an image, whatever the images are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nsa.runs.predict.results import unique_stems


def names(*paths: str) -> list[str]:
    return list(unique_stems([Path(path) for path in paths]))


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([], []),
        (["x/a.png"], ["a"]),
        (["x/a.png", "x/b.png"], ["a", "b"]),
        (["x/a.png", "y/a.png", "y/b.png"], ["x_a", "y_a", "b"]),
        # Several kinds of file, one folder.
        (["x/a.png", "x/a.jpg", "x/a.tif"], ["x_a", "x_a_2", "x_a_3"]),
        # Folders of the same name.
        (["1/x/a.png", "2/x/a.png"], ["x_a", "x_a_2"]),
        # The same file twice.
        (["x/a.png", "x/a.png"], ["x_a", "x_a_2"]),
        # A name that is somebody's own, before and after.
        (["x_a.png", "x/a.png", "y/a.png"], ["x_a", "x_a_2", "y_a"]),
        (["x/a.png", "y/a.png", "x_a.png"], ["x_a", "y_a", "x_a_2"]),
        (["x/a.png", "x/a.jpg", "x_a_2.png"], ["x_a", "x_a_2", "x_a_2_2"]),
        (["x/a.tar.png", "x/b.c"], ["a.tar", "b"]),
    ],
)
def test_each_image_has_a_name_of_its_own(paths: list[str], expected: list[str]) -> None:
    assert names(*paths) == expected


def test_an_image_of_this_folder_is_named_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path / "photos")
    assert names("a.png", "../a.png") == ["photos_a", f"{tmp_path.name}_a"]


@pytest.mark.parametrize("number", range(20))
def test_no_two_names_are_the_same(fresh_seed: int, number: int) -> None:
    random = np.random.default_rng([fresh_seed, number])
    words = ["a", "x_a", "x_a_2", "x", "a_2"]
    paths = [
        f"{random.choice(words)}/{random.choice(words)}.{random.choice(['png', 'jpg'])}"
        for _ in range(random.integers(1, 40))
    ]
    found = names(*paths)
    assert len(set(found)) == len(found) == len(paths)
    for path, name in zip(paths, found, strict=True):
        assert Path(path).stem in name
