"""The Gaussian detector's tables from results of jobs that never ran."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from records import record, values

from nsa.model.backbones import NETWORKS
from nsa.reproduce.cells import Row, Table
from nsa.reproduce.gaussian import paper
from nsa.reproduce.gaussian.tables import TABLES, build
from nsa.reproduce.papers import PAPERS, check_tables
from nsa.reproduce.report import write_report
from nsa.reproduce.results import read_results

Aurocs = dict[str, Any]


def finish(
    folder: Path,
    category: str,
    network: str,
    task: str,
    aurocs: Aurocs,
    seed: int = 0,
    weights: str = "IMAGENET1K_V1",
    **metrics: Any,
) -> None:
    """Write the result of a job with such folds."""
    system = {"features": network, "autoencoder": task}.get(task, f"{network}_{task}")
    system = f"supervised_{network}" if task == "supervised" else system
    content = values(system, category, seed, 0.9)
    content |= {
        "paper": "gaussian", "weights": "torchvision's IMAGENET1K_V1",
        "metrics": {"paper": {"image_auroc": 0.9}, "aurocs": aurocs, "rates": {}, **metrics},
        "settings": {"category": category, "system": task, "network": network, "digest": None,
                     "weights": weights, "training": {"seed": seed}},
        "epochs": 100, "preset_epochs": 100,
    }  # fmt: skip
    record(folder, content)


def levels(network: str, *folds: float) -> list[list[float]]:
    """Folds with such an AUROC at every level and of the sum."""
    return [[fold] * (len(NETWORKS[network].channels) + 1) for fold in folds]


def one(tables: list[Table], name: str) -> dict[str, Row]:
    [table] = [table for table in tables if table.name == name]
    return {row.name: row for row in table.rows}


def test_a_level_is_averaged_over_categories_as_the_papers(tmp_path: Path) -> None:
    figures = {name: 0.8 + 0.01 * i for i, name in enumerate(paper.TABLE_VIII)}
    for name, figure in figures.items():
        finish(tmp_path, name, "efficientnet_b4", "features", {
            approach: levels("efficientnet_b4", figure - 0.01, figure + 0.01)
            for approach in ("full", "l2")
        })  # fmt: skip
    shown = build(["I", "II"], read_results(tmp_path)).shown
    assert [table.name for table in shown] == ["table-i", "table-ii"]
    cell = one(shown, "table-i")["level 7"].cells["full"]
    assert cell.ours is not None
    column = 100 * np.array(list(figures.values()))
    expected = (column.mean(), column.std(ddof=1) / 15**0.5, 15)
    assert (cell.ours.mean, cell.ours.error, cell.ours.count) == pytest.approx(expected)
    assert cell.paper == (96.7, 1.0)
    assert cell.difference == pytest.approx(column.mean() - 96.7)
    assert "over 15 categories, each the mean of its 2 folds" in shown[0].caption
    assert "Weights: torchvision's IMAGENET1K_V1." in shown[0].caption
    assert one(shown, "table-i")["level 7"].note == "272 features"
    assert list(shown[1].columns) == ["efficientnet_b4"]
    assert one(shown, "table-ii")["sum"].cells["efficientnet_b4"].paper == (94.8, 1.6)


def test_one_category_is_over_its_folds_and_is_not_compared(tmp_path: Path) -> None:
    finish(tmp_path, "bottle", "resnet34", "features",
           {"full": levels("resnet34", 0.8, 0.9)})  # fmt: skip
    shown = build(["VII"], read_results(tmp_path)).shown
    cell = one(shown, "table-vii")["level 5"].cells["resnet34"]
    assert cell.ours is not None
    assert (cell.ours.mean, cell.ours.error) == pytest.approx((85.0, 5.0))
    assert (cell.paper, cell.difference) == ((89.0, 3.0), None)
    assert "over the 2 folds of bottle" in shown[0].caption


def test_several_seeds_of_one_category_are_the_spread(tmp_path: Path) -> None:
    for seed, figure in enumerate((0.7, 0.8, 0.9)):
        finish(tmp_path, "bottle", "resnet18", "features",
               {"full": levels("resnet18", figure - 0.02, figure + 0.02)}, seed,
               "random")  # fmt: skip
    shown = build(["VII", "VIII"], read_results(tmp_path)).shown
    cell = one(shown, "table-vii")["sum"].cells["resnet18"]
    assert cell.ours is not None
    assert (cell.ours.mean, cell.ours.error) == pytest.approx((80.0, 10 / 3**0.5))
    assert "Weights: random (seeds 0, 1, 2)." in shown[0].caption
    assert "over 3 seeds on bottle, each the mean of its 2 folds" in shown[0].caption


def test_results_of_earlier_versions_count_under_the_names_of_now(tmp_path: Path) -> None:
    figures = {"mahalanobis": 0.8, "pca-95": 0.7, "npca-0.01": 0.6}
    former = {name: levels("efficientnet_b4", figure) for name, figure in figures.items()}
    finish(tmp_path, "bottle", "efficientnet_b4", "features", former)
    cells = one(build(["III"], read_results(tmp_path)).shown, "table-iii")["level 1"].cells
    found = {name: cell.ours.mean for name, cell in cells.items() if cell.ours is not None}
    assert found == pytest.approx({"full": 80.0, "pca95": 70.0, "npca001": 60.0})


def test_approaches_are_compared_on_the_same_categories(tmp_path: Path) -> None:
    for name, figure in (("bottle", 0.9), ("carpet", 0.7)):
        finish(tmp_path, name, "efficientnet_b4", "augmented", {
            "full": levels("efficientnet_b4", figure, figure),
            "npca1": levels("efficientnet_b4", figure, figure),
        })  # fmt: skip
        finish(tmp_path, name, "resnet18", "autoencoder", {"autoencoder-mean": [[0.5], [0.6]]})
    finish(tmp_path, "bottle", "resnet18", "supervised", {"supervised": [[0.97], [0.99]]})
    shown = build(["V", "VIII"], read_results(tmp_path)).shown
    rows = one(shown, "table-v")
    assert list(rows) == [
        "autoencoder, map mean, ResNet-18", "fine-tuned classifier, ResNet-18",
        "Mahalanobis, EfficientNet-B4", "NPCA 1 %, EfficientNet-B4",
        *(f"{name} (quoted, all categories)" for name in paper.QUOTED),
    ]  # fmt: skip
    cell = rows["Mahalanobis, EfficientNet-B4"].cells["auroc"]
    assert cell.ours is not None
    assert cell.ours.mean == pytest.approx(80)
    assert cell.paper == (pytest.approx((99.8 + 100.0) / 2), None)
    assert cell.difference == pytest.approx(80 - 99.9)
    fine_tuned = rows["fine-tuned classifier, ResNet-18"].cells["auroc"]
    assert fine_tuned.paper == (94.9, None)  # on the bottle, the only one it has
    assert rows["SPADE (quoted, all categories)"].cells["auroc"].paper == (85.5, None)
    by_category = one(shown, "table-viii")
    assert list(by_category) == ["carpet", "bottle", "mean"]
    cell = by_category["carpet"].cells["autoencoder-mean-resnet18"]
    assert cell.ours is not None
    assert (cell.ours.mean, cell.ours.error) == pytest.approx((55.0, 5.0))
    assert cell.difference == pytest.approx(55.0 - 65.9)
    assert by_category["carpet"].cells["supervised-resnet18"].ours is None


def test_working_points_of_table_iv(tmp_path: Path) -> None:
    rates = [[[0.3, 0.9], [0.2, 0.8], [0.1, 0.7], [0.05, 0.6], [0.0, 0.5]]] * 2
    finish(tmp_path, "bottle", "efficientnet_b0", "augmented",
           {name: levels("efficientnet_b0", 0.9, 0.9) for name in ("pca99", "full",
                                                                   "npca1")},
           rates=dict.fromkeys(("pca99", "full", "npca1"), rates))  # fmt: skip
    shown = build(["IV"], read_results(tmp_path)).shown
    assert [table.name for table in shown] == ["table-iv-fpr", "table-iv-tpr"]
    false = one(shown, "table-iv-fpr")["n = 3"]
    cell = false.cells["efficientnet_b0-pca99"]
    assert cell.ours is not None
    assert cell.ours.mean == pytest.approx(10)
    assert cell.paper == (5.8, None)
    true = one(shown, "table-iv-tpr")
    assert true["AUROC"].cells["efficientnet_b0-npca1"].paper == (93.7, None)
    assert "level 7, fitted on 100 augmented copies" in shown[1].caption


def test_another_network_stands_in_only_where_the_papers_was_not_run(tmp_path: Path) -> None:
    finish(tmp_path, "bottle", "resnet18", "features", {
        name: levels("resnet18", 0.8, 0.9) for name in ("full", "l2", "one-class-svm")
    })  # fmt: skip
    results = read_results(tmp_path)
    shown = build(["I", "II", "V"], results).shown
    assert [table.name for table in shown] == ["table-i-resnet18", "table-ii", "table-v"]
    assert all(cell.paper is None for row in shown[0].rows for cell in row.cells.values())
    assert "another network in their place" in shown[1].title
    assert "one-class SVM, ResNet-18" in one(shown, "table-v")
    finish(tmp_path, "bottle", "efficientnet_b4", "features",
           {"full": levels("efficientnet_b4", 0.8, 0.9)})  # fmt: skip
    shown = build(["I", "II"], read_results(tmp_path)).shown
    assert [table.name for table in shown] == ["table-i", "table-ii"]
    assert list(shown[1].columns) == ["efficientnet_b4"]


def test_a_page_draws_levels_as_lines(tmp_path: Path) -> None:
    finish(tmp_path, "bottle", "resnet50", "features",
           {"full": levels("resnet50", 0.8, 0.9)})  # fmt: skip
    write_report(tmp_path, PAPERS["gaussian"], ["VII"], [])
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert page.count("<polyline") == 2  # ours, and the paper's faint
    assert 'class="line paper c0"' in page
    assert "Table VII: ResNets by level, Mahalanobis distance" in page
    assert "Below it the paper&#x27;s figure.</p>" in page  # and no difference


def test_numbers_of_tables() -> None:
    assert check_tables("gaussian", ["all"]) == TABLES
    assert check_tables("gaussian", ["I", "VIII"]) == ("I", "VIII")
