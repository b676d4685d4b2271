"""Tables V and VIII: the detector beside the baselines."""

from __future__ import annotations

from nsa.model.backbones import NETWORKS
from nsa.reproduce.cells import Cell, Figure, Row, Table
from nsa.reproduce.gaussian import paper
from nsa.reproduce.gaussian.measured import Measured, Spread, caption, cell
from nsa.reproduce.gaussian.systems import APPROACH_TITLES, network_title


def comparison(measured: Measured) -> list[Table]:
    """Table V: every approach, averaged over categories."""
    keys = _approaches(measured)
    if not keys:
        return []
    rows, spreads = [], []
    for key in keys:
        spread = measured.approach(*key)
        spreads.append(spread)
        rows.append(
            Row(_title(key), False, {"auroc": cell(spread, _printed(key, spread), True)}, "")
        )
    for name, (mean, error) in paper.QUOTED.items():
        quoted = Cell(None, Figure(mean, error))
        rows.append(Row(f"{name} (quoted, all categories)", False, {"auroc": quoted}, ""))
    about = caption(spreads, "same") + _notes(measured)
    shortened = measured.shortened("augmented", "autoencoder", "supervised")
    return [
        Table(
            "table-v", "Table V: comparison of approaches, sum over levels", "image_auroc",
            "paper", about, {"auroc": "AUROC"}, rows, shortened,
        )
    ]  # fmt: skip


def per_category(measured: Measured) -> list[Table]:
    """Table VIII: every approach on every category, with the error over folds."""
    keys = _approaches(measured)
    if not keys:
        return []
    columns = {"-".join(key): _title(key) for key in keys}
    categories = {key: measured.per_category(*key) for key in keys}
    names = [c for c in paper.TABLE_VIII if any(c in found for found in categories.values())]
    names += sorted({c for found in categories.values() for c in found} - set(names))
    rows = []
    for name in names:
        cells = {}
        for key in keys:
            figure = None
            if key in paper.APPROACHES and name in paper.TABLE_VIII:
                figure = (paper.TABLE_VIII[name][paper.APPROACHES.index(key)], None)
            cells["-".join(key)] = cell(categories[key].get(name), figure, True)
        rows.append(Row(name, False, cells, ""))
    if len(names) > 1:
        means = {key: measured.approach(*key) for key in keys}
        cells = {"-".join(key): cell(s, _printed(key, s), True) for key, s in means.items()}
        rows.append(Row("mean", True, cells, ""))
    spreads = [spread for found in categories.values() for spread in found.values()]
    over = dict.fromkeys(spread.over.split(" on ")[0].split(" of ")[0] for spread in spreads)
    about = f"AUROC in percent, mean \N{PLUS-MINUS SIGN} standard error over {' or '.join(over)}"
    about += "; of the mean over categories." if len(names) > 1 else "."
    about += _notes(measured)
    shortened = measured.shortened("augmented", "autoencoder", "supervised")
    return [
        Table(
            "table-viii", "Table VIII: approaches per category", "image_auroc", "paper", about,
            columns, rows, shortened,
        )
    ]  # fmt: skip


def _notes(measured: Measured) -> str:
    networks = [n for n in NETWORKS if measured.has(n)]
    return measured.weights(networks, ("features", "augmented", "supervised")) + (
        " Gaussians are fitted on augmented copies, one-class SVMs on the images themselves; "
        "fine-tuning sees defects and folds over training and test set together."
    )


def _approaches(measured: Measured) -> list[tuple[str, str]]:
    """Rows of Table V that have a result, the paper's first."""
    keys = [key for key in paper.APPROACHES if measured.approach_folds(*key)]
    done = {approach for approach, _ in keys}
    for approach in dict.fromkeys(approach for approach, _ in paper.APPROACHES):
        if approach not in done:
            keys += [(approach, n) for n in NETWORKS if measured.approach_folds(approach, n)]
    return keys


def _title(key: tuple[str, str]) -> str:
    approach, network = key
    return f"{APPROACH_TITLES[approach]}, {network_title(network)}"


def _printed(key: tuple[str, str], spread: Spread) -> tuple[float, float | None] | None:
    """The paper's mean over the same categories."""
    if key not in paper.APPROACHES:
        return None
    if set(spread.categories) == set(paper.TABLE_VIII):
        return paper.TABLE_V[key]
    if not set(spread.categories) <= set(paper.TABLE_VIII):
        return None
    column = paper.APPROACHES.index(key)
    values = [paper.TABLE_VIII[name][column] for name in spread.categories]
    return sum(values) / len(values), None
