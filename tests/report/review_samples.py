"""A review page over 24 small images, for the tests in a browser."""

from dataclasses import replace

import numpy as np

from nsa.metrics.conformal import ConformalThreshold
from nsa.report.review import ReviewDecisions, ReviewEntry, ReviewPage

AWKWARD = (
    "<img src=x onerror=alert(1)>.png", "</script><b>.png", 'with "quotes", commas.png',
    "two\nlines\r.png", "Größe 漢字 😀.png", "not-utf8-\udcff.png", "50% #1?.png", "=1+1.png",
)  # fmt: skip
SIZE = (30, 40)
GREY = (120, 130, 140)
CONFORMAL = ConformalThreshold(np.linspace(1, 10, 19))


def entries(count=24):
    """Half of them anomalous, with awkward names among them, ties, and two that are missed."""
    rng = np.random.default_rng(5)
    raws = np.round(
        np.concatenate([rng.uniform(2, 9, count // 2), rng.uniform(8, 30, count // 2)]), 1
    )
    raws[3], raws[-1] = raws[4], raws[5]
    for number, raw in enumerate(raws.tolist()):
        awkward = number % 2 == 0 and number // 2 < len(AWKWARD)
        name = AWKWARD[number // 2] if awkward else f"{number}.png"
        truth = int(number >= count // 2)
        score = 1 - float(CONFORMAL.p_value([raw])[0])
        yield ReviewEntry(
            f"test/{name}", raw, score, "", truth, "crack" if truth else None,
            [(5, 6, 10, 8, raw)] if truth else [], f"{number}_%#.png",
        )  # fmt: skip


def write(path, calibrated=True, truth=True):
    """Write the page, with or without what it may know."""
    threshold = CONFORMAL.threshold(0.1)
    decisions = ReviewDecisions(0.1, threshold, CONFORMAL.bounds) if calibrated else None
    page = ReviewPage("A <b>title</b>", 24, decisions, (0.0, 1.0))
    for one in entries():
        if not calibrated:
            one = replace(one, score=None)
        if not truth:
            one = replace(one, truth=None, defect=None)
        image = np.full((*SIZE, 3), GREY, np.uint8)
        page.add(one, image, heat_map())
    page.write(path)


def heat_map():
    scores = np.zeros(SIZE, np.float32)
    scores[10:20, 10:30] = 0.64
    return scores


def by_score():
    """As the page has them at first."""
    return sorted(entries(), key=lambda one: (-one.score, -one.raw_score, one.path))
