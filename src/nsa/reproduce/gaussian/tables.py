"""The tables of the Gaussian detector's paper, filled with our results."""

from __future__ import annotations

from collections.abc import Sequence

from nsa.model.backbones import NETWORKS
from nsa.reproduce.cells import Cell, Row, Table, Tables
from nsa.reproduce.gaussian import paper
from nsa.reproduce.gaussian.comparison import comparison, per_category
from nsa.reproduce.gaussian.measured import Measured, Spread, caption, cell
from nsa.reproduce.gaussian.systems import APPROACH_TITLES, OF_TABLE, network_title
from nsa.reproduce.gaussian.working_points import SIGMAS, sigma_target, working_level
from nsa.reproduce.results import Result

TABLES = tuple(OF_TABLE)

_B4 = "efficientnet_b4"


def build(numbers: Sequence[str], results: Sequence[Result]) -> Tables:
    """All the tables of those numbers that have a result.

    A network that the paper's table does not have stands in where none of the table's own was run.
    """
    measured = Measured(results)
    builders = {
        "I": lambda: _by_distribution(measured, "I", paper.TABLE_I, "three distributions"),
        "II": lambda: _by_network(measured, "II", paper.TABLE_II, "EfficientNets"),
        "III": lambda: _by_distribution(measured, "III", paper.TABLE_III, "principal components"),
        "IV": lambda: _working_points(measured),
        "V": lambda: comparison(measured),
        "VII": lambda: _by_network(measured, "VII", paper.TABLE_VII, "ResNets"),
        "VIII": lambda: per_category(measured),
    }
    return Tables([table for number in numbers for table in builders[number]()])


def _by_distribution(
    measured: Measured, number: str, printed: dict[str, tuple[paper.Cell, ...]], what: str
) -> list[Table]:
    """Tables I and III: one network, a column per distribution."""
    tables = []
    for network in measured.networks("features", [_B4]):
        columns = {
            distribution: APPROACH_TITLES[distribution]
            for distribution in printed
            if measured.folds(network, distribution)
        }
        spreads = {distribution: measured.levels(network, distribution) for distribution in columns}
        figures = printed if network == _B4 else {}
        title = f"Table {number}: {what} by level, {network_title(network)}"
        name = f"table-{number.lower()}" + ("" if network == _B4 else f"-{network}")
        tables.append(_level_table(measured, name, title, columns, spreads, figures, [network]))
    return tables


def _by_network(
    measured: Measured, number: str, printed: dict[str, tuple[paper.Cell, ...]], what: str
) -> list[Table]:
    """Tables II and VII: Mahalanobis distance, a column per network."""
    networks = measured.networks("features", list(printed))
    if not networks:
        return []
    columns = {network: network_title(network) for network in networks}
    spreads = {network: measured.levels(network, "full") for network in networks}
    title = f"Table {number}: {what} by level, Mahalanobis distance"
    if not set(networks) & set(printed):
        title += " (another network in their place)"
    return [
        _level_table(
            measured, f"table-{number.lower()}", title, columns, spreads, printed, networks
        )
    ]


def _level_table(
    measured: Measured,
    name: str,
    title: str,
    columns: dict[str, str],
    spreads: dict[str, list[Spread]],
    printed: dict[str, tuple[paper.Cell, ...]],
    networks: list[str],
) -> Table:
    count = max(len(column) for column in spreads.values())
    rows = []
    for index in range(count):
        last = index == count - 1
        cells = {}
        for column, levels in spreads.items():
            # Networks of fewer levels end with their sum too.
            place = len(levels) - 1 if last else index
            inside = last or index < len(levels) - 1
            cells[column] = (
                cell(levels[place], printed[column][place] if column in printed else None)
                if inside
                else Cell(None, None)
            )
        channels = [NETWORKS[network].channels for network in networks]
        alike = not last and len(set(channels)) == 1
        note = f"{channels[0][index]} features" if alike else ""
        rows.append(Row("sum" if last else f"level {index + 1}", last, cells, note))
    every = [spread for column in spreads.values() for spread in column]
    about = caption(every, "all" if set(printed) & set(columns) else None)
    about += measured.weights(networks, ("features",))
    return Table(
        name, title, "image_auroc", "paper", about, columns, rows, False,
        note_title="level", drawn=True,
    )  # fmt: skip


def _working_points(measured: Measured) -> list[Table]:
    """Table IV, false positive rates apart from true positive rates."""
    known = list(dict.fromkeys(network for network, _ in paper.TABLE_IV))
    networks = measured.networks("augmented", known)
    pairs = [pair for pair in paper.TABLE_IV if pair[0] in networks]
    pairs += [
        (network, distribution) for network in networks if network not in known
        for distribution in ("pca99", "full", "npca1")
    ]  # fmt: skip
    if not pairs:
        return []
    columns = {
        f"{network}-{distribution}": f"{network_title(network)}, {APPROACH_TITLES[distribution]}"
        for network, distribution in pairs
    }
    spreads = {pair: measured.rates(*pair) for pair in pairs}
    aurocs = {pair: _at_working_level(measured, pair) for pair in pairs}
    levels = sorted({working_level(network) for network, _ in pairs})
    about = caption([*aurocs.values()], "all" if set(networks) & set(known) else None)
    about = about.replace("AUROC in percent", "Percent", 1)
    about += measured.weights(networks, ("augmented",)) + (
        f" Thresholds by eq. 8 on the distance of level {' or '.join(map(str, levels))}, fitted on "
        f"{measured.passes(networks)} augmented copies of every image."
    )
    if set(networks) & set(known):
        about += " (The paper's text speaks of NPCA 0.01 %, its table of NPCA 1 %, shown here.)"
    tables = []
    for which, short, what in ((0, "fpr", "false"), (1, "tpr", "true")):
        rows = []
        for row, sigmas in enumerate(SIGMAS):
            cells = {}
            for (network, distribution), rates in spreads.items():
                printed = paper.TABLE_IV.get((network, distribution))
                figure = None if printed is None else (printed[0][row][which], None)
                cells[f"{network}-{distribution}"] = cell(rates[row][which], figure)
            target = f"{100 * sigma_target(sigmas):.3g} %"
            rows.append(Row(f"n = {sigmas}", False, cells, f"target FPR {target}"))
        if which:
            cells = {}
            for pair, spread in aurocs.items():
                printed = paper.TABLE_IV.get(pair)
                figure = None if printed is None else (printed[1], None)
                cells["-".join(pair)] = cell(spread, figure)
            rows.append(Row("AUROC", True, cells, ""))
        title = f"Table IV: {what} positive rate at n standard deviations"
        title += " and AUROC" if which else ""
        shortened = measured.shortened("augmented")
        found = Table(
            f"table-iv-{short}", title, short, "paper", about, columns, rows, shortened,
            note_title="target",
        )  # fmt: skip
        tables.append(found)
    return tables


def _at_working_level(measured: Measured, pair: tuple[str, str]) -> Spread:
    network, distribution = pair
    levels = measured.levels(f"{network}_augmented", distribution)
    return levels[working_level(network) - 1]
