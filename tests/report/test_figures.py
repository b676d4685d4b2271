"""Figures are judged by eye; tests hold what they must show and what they must survive."""

import errno
import io
import itertools
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from nsa.errors import InputError
from nsa.report.curves import loss_curve, roc_pro_figure
from nsa.report.examples import choose_examples
from nsa.report.grids import heat_map_grid, synthesis_grid
from nsa.report.methods import Examples, method_grid
from nsa.report.tables import categories_table, results_table
from nsa.system import files


def pixels(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def near(picture, colour, tolerance=25):
    return int((np.abs(picture - colour).max(axis=-1) <= tolerance).sum())


def examples(count, size=32):
    images = [np.full((size, size + 8, 3), 90, np.uint8) for _ in range(count)]
    masks = [np.zeros((size, size + 8), bool) for _ in range(count)]
    for mask in masks:
        mask[5:15, 10:30] = True
    maps = [0.9 * mask.astype(np.float32) for mask in masks]
    return images, masks, maps, [0.25] * count, ["scratch"] * count


@pytest.mark.parametrize("count", [1, 5, 11])
def test_heat_map_grid_shows_images_scores_and_outlines(tmp_path, count):
    images, masks, maps, scores, titles = examples(count)
    with_outline = pixels(heat_map_grid(images, masks, maps, scores, titles, tmp_path / "a.png"))
    without = pixels(heat_map_grid(images, None, maps, scores, titles, tmp_path / "b.png"))
    cyan, product, glow = (18, 224, 208), (90, 90, 90), (212, 217, 146)
    assert near(with_outline, cyan) > 100 * count
    assert near(without, cyan) == 0
    assert near(without, product, 2) > 5000 * count
    assert near(without, glow) > 1000 * count


def test_heat_map_grid_takes_tensors_of_any_size_and_awkward_titles(tmp_path):
    images = [torch.zeros(1, 20, 30, dtype=torch.uint8), torch.zeros(3, 64, 64, dtype=torch.uint8)]
    masks = [torch.ones(1, 20, 30), torch.zeros(1, 64, 64)]
    maps = [torch.rand(1, 10, 15), torch.rand(64, 64)]
    titles = ["costs $x^$", "a name that is far longer than its column is wide"]
    path = heat_map_grid(images, masks, maps, [0.1, 0.2], titles, tmp_path / "grid.png")
    assert pixels(path).shape[0] > 100


@pytest.mark.parametrize("top", [1.0, 7.5])
def test_synthesis_grid(tmp_path, top):
    originals, masks, *_ = examples(10)
    anomalies = [np.where(mask[..., None], np.uint8(200), image)
                 for image, mask in zip(originals, masks, strict=True)]  # fmt: skip
    labels = [top * mask[None].astype(np.float32) for mask in masks]
    path = synthesis_grid(originals, anomalies, labels, tmp_path / "grid.png", ["bottle"] * 10)
    picture = pixels(path)
    assert near(picture, (200, 200, 200), 2) > 2000
    assert near(picture, (252, 255, 164), 4) > 2000  # labels at the top of the scale
    assert near(picture, (0, 0, 4), 4) > 2000  # and at its bottom


@pytest.mark.parametrize(
    ("losses", "rates"),
    [([0.5], None), ([0.5, 0.4], [1e-3, 1e-6]), ([0.0, 0.0], None), ([1.0, 0.1, 0.01], None)],
)
def test_loss_curve(tmp_path, losses, rates):
    assert near(pixels(loss_curve(losses, rates, tmp_path / "loss.png")), (42, 95, 165)) > 10


def test_roc_pro_figure_keeps_the_shape_of_long_curves(tmp_path):
    fpr = np.linspace(0, 1, 200_000)
    curves = {"ROC": (fpr, np.minimum(1, 50 * fpr)), "PRO": (fpr, fpr)}
    picture = pixels(roc_pro_figure(curves, tmp_path / "roc.png", max_fpr=0.3))
    assert near(picture, (31, 119, 180)) > 500
    assert near(picture, (255, 127, 14)) > 500


def test_bad_input(tmp_path):
    images, masks, maps, scores, titles = examples(2)
    path = tmp_path / "none.png"
    with pytest.raises(InputError, match="same length, got images 2, masks 2, maps 1"):
        heat_map_grid(images, masks, maps[:1], scores, titles, path)
    with pytest.raises(InputError, match="no image to draw"):
        heat_map_grid([], None, [], [], [], path)
    with pytest.raises(InputError, match="originals 2, anomalies 1"):
        synthesis_grid(images, images[:1], maps, path)
    with pytest.raises(InputError, match="no finished epoch"):
        loss_curve([], None, path)
    with pytest.raises(InputError, match="same length, got 2 and 1"):
        loss_curve([1, 2], [1], path)
    with pytest.raises(InputError, match="no curve"):
        roc_pro_figure({}, path)
    assert not path.exists()


def test_pyplot_is_never_imported():
    """Its global state and backend belong to the user."""
    figures = "nsa.report.curves, nsa.report.grids, nsa.report.methods"
    code = f"import sys, {figures}; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(
    st.lists(st.sampled_from(["good", "crack", "hole", "dirt"]), min_size=1, max_size=40),
    st.integers(1, 12),
)
def test_examples_are_distinct_and_fair(defects, count):
    scores = [(7 * i % 11) / 11 for i in range(len(defects))]
    chosen = choose_examples(defects, scores, count)
    assert len(set(chosen)) == len(chosen) == min(count, len(defects))
    kinds = [defects[i] for i in chosen]
    assert kinds == sorted(kinds, key=lambda kind: (kind != "good", kind))
    places = {kind: kinds.count(kind) for kind in set(defects)}
    for kind, given_places in places.items():
        if given_places < defects.count(kind):  # it could have had more, so nobody has two more
            assert max(places.values()) <= given_places + 1
    for first, second in itertools.pairwise(chosen):
        assert defects[first] != defects[second] or scores[first] >= scores[second]


def test_examples_span_easy_and_hard():
    defects = ["good"] * 5 + ["crack"] * 5
    scores = [0.1, 0.2, 0.3, 0.4, 0.5, 0.9, 0.8, 0.7, 0.6, 0.5]
    assert choose_examples(defects, scores, 6) == [4, 2, 0, 5, 7, 9]
    assert choose_examples(defects, scores, 1) == [7]


def test_results_table_says_what_is_missing_and_why():
    console = Console(width=80, file=io.StringIO())
    results = {"image_auroc": 0.9534, "au_pro": None, "other_metric": 1.0}
    console.print(
        results_table({"%": results}, title="bottle", reasons={"au_pro": "no masks in [/data]"})
    )
    text = console.file.getvalue()
    assert "bottle" in text
    for row in (
        r"image AUROC .* 95.3",
        r"AU-PRO to FPR 0.3 .* no masks in \[/data\]",
        "other metric .* 100.0",
    ):
        assert any(re.search(row, line) for line in text.splitlines()), row


def test_method_grid_names_a_wrong_number(tmp_path):
    image, label = np.zeros((8, 8, 3), np.uint8), np.ones((1, 8, 8))
    rows = [Examples("NSA", [image], [label]), Examples("FPI", [image], [])]
    with pytest.raises(InputError, match="FPI must have 1 anomalies and labels, got 1 and 0"):
        method_grid([image], rows, tmp_path / "grid.png")
    with pytest.raises(InputError, match="no image"):
        method_grid([], [], tmp_path / "grid.png")
    assert method_grid([image], rows[:1], tmp_path / "grid.png").stat().st_size > 1000


@pytest.mark.parametrize("title", ["a\udcffb", "\x1b[31m\n", "日本", "$\\alpha$", "[bold]"])
def test_any_name_is_drawn(tmp_path, title):
    """Without a warning either: what the font lacks is an empty box."""
    images, masks, maps, scores, _ = examples(1)
    path = heat_map_grid(images, masks, maps, scores, [title], tmp_path / "a.png")
    assert pixels(path).shape[0] > 100


def test_a_picture_that_cannot_be_written_leaves_the_earlier_one(tmp_path, monkeypatch):
    path = tmp_path / "loss.png"
    loss_curve([1.0, 0.5], None, path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(InputError, match=r"Cannot write .*loss.png: No space left"):
        loss_curve([3.0, 2.0], None, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["loss.png"]


def test_categories_table_has_means_and_deviations_over_seeds():
    def scores(auroc, seconds):
        times = {"training_seconds": seconds}
        return {"image_auroc": auroc, "pixel_auroc": None, "au_pro": auroc / 2, "times": times}

    text = io.StringIO()
    console = Console(file=text, width=100)
    once = {"bottle": {None: scores(0.9, 60)}, "cable": {None: scores(0.7, 30)}}
    console.print(categories_table(once, ["lines"]))
    assert "±" not in text.getvalue()
    rows = [line.split("│")[1:-1] for line in text.getvalue().splitlines() if "│" in line]
    assert [cell.strip() for cell in rows[-1]] == ["mean", "80.0", "-", "40.0", "1 min 30 s in all"]
    assert [cell.strip() for cell in rows[-2]] == ["lines", "failed", "", "", ""]

    text.seek(text.truncate(0))
    # Seed 5 lacks a category, so the mean over all of them is that of the others.
    bottle = {0: scores(0.9, 1), 1: scores(0.7, 1), 5: scores(0.1, 1)}
    console.print(
        categories_table({"bottle": bottle, "cable": {0: scores(0.7, 1), 1: scores(0.7, 1)}})
    )
    rows = [line.split("│")[1:-1] for line in text.getvalue().splitlines() if "│" in line]
    assert [cell.strip() for cell in rows[-2]] == ["cable", "70.0 ± 0.0", "-", "35.0 ± 0.0", "2 s"]
    assert [cell.strip() for cell in rows[-1]][:2] == ["mean", "75.0 ± 7.1"]
