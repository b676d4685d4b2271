"""The figures that the paper prints, as data, to stand beside what one measures.

AUROC in percent on MVTec AD: mean and standard error over its 15 categories (each the mean of five
folds), unless said otherwise. Levels count from 1; the last row of a table by level is the sum.
"""

from __future__ import annotations

Cell = tuple[float, float]
"""Mean and standard error."""


def _by_level(text: str, *names: str) -> dict[str, tuple[Cell, ...]]:
    """Columns of (mean, error) pairs from the rows of a table."""
    rows = [[float(value) for value in line.split()] for line in text.strip().splitlines()]
    return {
        name: tuple((row[2 * column], row[2 * column + 1]) for row in rows)
        for column, name in enumerate(names)
    }


# EfficientNet-B4 under the three distributions.
TABLE_I = _by_level(
    """
    44.5 4.8  51.6 5.7  60.3 6.1
    47.3 5.3  48.1 5.1  62.0 6.4
    58.1 5.9  59.2 6.3  71.1 5.4
    59.7 4.7  61.5 5.1  75.6 5.5
    62.6 4.8  66.1 5.0  82.1 4.6
    71.7 4.4  74.3 4.3  89.1 3.1
    82.9 4.3  85.1 4.0  96.7 1.0
    83.2 3.7  85.2 3.4  95.5 1.1
    83.3 3.7  87.8 3.0  93.1 1.7
    75.3 4.5  79.5 6.6  94.8 1.6
    """,
    "l2", "standardised", "full",
)  # fmt: skip

# Mahalanobis distance, every EfficientNet.
TABLE_II = _by_level(
    """
    56.8 6.0  56.7 6.0  59.9 6.1  60.1 6.3  60.3 6.1  61.5 6.2  61.3 6.3  60.4 6.2
    62.3 5.7  58.2 6.0  59.5 5.7  62.0 6.2  62.0 6.4  63.7 6.5  63.2 6.4  61.6 7.0
    68.4 6.0  67.8 6.1  68.4 5.9  70.1 6.2  71.1 5.4  69.5 6.2  70.6 5.7  71.2 5.8
    73.8 5.4  73.6 5.7  75.2 5.2  73.5 5.6  75.6 5.5  76.5 5.4  75.1 5.9  76.8 5.2
    79.1 5.3  81.0 4.8  82.7 4.9  82.1 5.1  82.1 4.6  83.9 4.3  81.7 4.8  82.4 4.8
    86.1 4.1  87.1 3.9  89.1 3.6  91.2 2.8  89.1 3.1  89.0 3.0  88.1 3.1  87.5 3.6
    92.5 2.3  95.3 1.4  95.5 1.4  96.4 1.2  96.7 1.0  96.9 1.2  96.7 1.1  96.3 1.6
    92.2 2.5  94.7 1.5  94.7 1.6  94.8 1.7  95.5 1.1  96.2 1.2  95.7 1.0  95.7 1.3
    91.3 3.0  93.4 2.0  93.1 2.0  92.8 2.1  93.1 1.7  93.0 1.9  93.4 1.5  92.2 1.8
    90.6 3.2  93.3 2.2  93.6 2.1  94.0 2.2  94.8 1.6  95.2 1.6  95.3 1.2  94.2 1.8
    """,
    *(f"efficientnet_b{variant}" for variant in range(8)),
)

# EfficientNet-B4, all dimensions and principal components.
TABLE_III = _by_level(
    """
    60.3 6.1  50.8 6.1  45.8 5.4  64.1 6.4  67.8 6.6  69.9 6.2
    62.0 6.4  53.3 5.9  48.6 5.7  67.6 6.3  68.0 5.9  67.3 5.7
    71.1 5.4  65.5 6.5  59.7 6.2  71.6 4.9  68.1 4.2  65.7 3.7
    75.6 5.5  69.5 6.1  63.2 6.4  76.1 5.1  73.1 4.6  69.4 4.0
    82.1 4.6  76.2 5.3  66.6 6.5  82.5 4.0  78.7 3.6  72.3 3.7
    89.1 3.1  83.3 4.8  77.3 5.7  90.2 2.5  88.2 2.4  83.6 2.9
    96.7 1.0  93.4 2.1  87.1 4.0  96.1 1.0  94.5 1.3  89.6 2.5
    95.5 1.1  91.9 2.1  88.6 3.1  94.8 1.2  93.8 1.4  90.6 2.3
    93.1 1.7  91.3 2.1  88.6 2.9  93.3 1.6  91.2 2.1  86.3 3.0
    94.8 1.6  89.6 3.4  82.2 6.0  95.6 1.3  95.5 1.2  94.0 1.6
    """,
    "full", "pca99", "pca95", "npca1", "npca01", "npca001",
)  # fmt: skip

# Level 7, fitted on augmented images, columns as we read the table's damaged head: achieved rates
# (FPR, TPR) in percent at n standard deviations, n = 1 to 5, and the AUROC.
TABLE_IV: dict[tuple[str, str], tuple[tuple[Cell, ...], float]] = {
    ("efficientnet_b0", "pca99"): (
        ((17.9, 77.8), (10.1, 71.2), (5.8, 66.1), (1.9, 61.3), (0.7, 57.0)), 90.3,
    ),
    ("efficientnet_b0", "full"): (
        ((30.4, 89.1), (19.3, 84.2), (13.5, 80.2), (9.3, 76.3), (6.5, 72.7)), 93.2,
    ),
    ("efficientnet_b0", "npca1"): (
        ((47.4, 94.0), (29.8, 88.9), (18.9, 83.2), (11.3, 78.5), (6.8, 74.4)), 93.7,
    ),
    ("efficientnet_b4", "full"): (
        ((66.1, 98.4), (56.0, 97.3), (44.7, 95.9), (35.7, 94.0), (28.2, 91.6)), 97.1,
    ),
}  # fmt: skip

# Mahalanobis distance, every ResNet.
TABLE_VII = _by_level(
    """
    66.6 6.4  67.5 6.8  68.0 5.9
    71.6 6.4  71.9 6.1  73.7 6.4
    78.6 5.0  79.4 4.8  81.3 4.9
    86.7 4.1  90.4 3.6  89.0 4.3
    88.3 2.7  89.0 3.0  86.9 3.8
    86.4 4.0  88.2 4.0  87.3 4.5
    """,
    "resnet18", "resnet34", "resnet50",
)  # fmt: skip

# Approach and network; sums over levels where there are levels, fitted on augmented images.
APPROACHES: tuple[tuple[str, str], ...] = (
    ("autoencoder-mean", "resnet18"),
    ("autoencoder-components", "resnet18"),
    ("supervised", "resnet18"),
    ("supervised", "resnet34"),
    ("supervised", "efficientnet_b0"),
    ("supervised", "efficientnet_b4"),
    ("full", "efficientnet_b4"),
    ("npca1", "efficientnet_b4"),
    ("one-class-svm", "efficientnet_b0"),
    ("one-class-svm", "efficientnet_b4"),
)

TABLE_V: dict[tuple[str, str], Cell] = dict(
    zip(
        APPROACHES,
        (
            (78.8, 4.1), (81.8, 3.4), (93.3, 1.4), (93.4, 1.3), (94.1, 1.4), (96.3, 1.0),
            (95.2, 1.5), (95.8, 1.2), (73.0, 6.1), (78.1, 4.7),
        ),
        strict=True,
    )
)  # fmt: skip

# What Table V quotes from others: approach -> mean and, where there is one, standard error.
QUOTED: dict[str, tuple[float, float | None]] = {
    "GeoTrans": (67.2, 4.7), "GANomaly": (76.1, 1.6), "ITAE": (83.9, 2.8), "SPADE": (85.5, None),
}  # fmt: skip

# AUROC per category, in the order of APPROACHES.
TABLE_VIII: dict[str, tuple[float, ...]] = {
    "carpet": (65.9, 80.5, 97.5, 96.8, 97.2, 98.9, 100.0, 100.0, 61.1, 89.2),
    "grid": (80.9, 92.9, 90.2, 89.3, 97.8, 98.4, 81.7, 89.7, 23.7, 44.7),
    "leather": (46.0, 90.5, 99.8, 98.4, 98.8, 99.1, 99.7, 100.0, 75.8, 86.7),
    "tile": (55.4, 75.7, 97.7, 99.1, 99.2, 97.8, 99.8, 99.8, 91.6, 95.7),
    "wood": (91.8, 91.4, 98.1, 95.0, 95.6, 99.6, 98.6, 99.6, 92.5, 79.1),
    "bottle": (97.5, 85.5, 94.9, 98.2, 99.5, 99.5, 99.8, 100.0, 98.4, 97.7),
    "cable": (79.5, 58.3, 91.1, 90.8, 92.2, 92.0, 95.5, 95.0, 78.3, 81.0),
    "capsule": (74.5, 76.7, 92.4, 93.0, 89.0, 96.3, 93.8, 95.1, 66.1, 73.0),
    "hazelnut": (90.0, 91.1, 98.6, 98.8, 98.4, 99.8, 99.6, 99.1, 83.5, 81.7),
    "metal_nut": (58.2, 64.6, 95.6, 95.4, 94.6, 96.8, 94.7, 94.7, 73.4, 77.3),
    "pill": (80.1, 58.0, 86.0, 83.3, 89.8, 93.6, 88.4, 88.7, 66.7, 69.0),
    "screw": (95.7, 93.7, 85.0, 88.8, 90.3, 95.2, 85.4, 85.2, 19.5, 31.0),
    "toothbrush": (94.2, 100.0, 82.0, 86.9, 80.7, 85.4, 96.4, 96.9, 90.5, 86.3),
    "transistor": (85.9, 79.1, 92.4, 89.7, 90.0, 94.1, 96.3, 95.5, 82.0, 83.8),
    "zipper": (86.8, 88.8, 97.9, 98.3, 98.8, 97.9, 97.8, 97.9, 91.7, 94.7),
}
