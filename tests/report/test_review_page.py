"""What Python puts into the review page; test_review_browser.py has what the page makes of it."""

import base64
import hashlib
import itertools
import json
import random
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from nsa.errors import InputError
from nsa.metrics.conformal import ConformalThreshold
from nsa.report.overlay import COLOURS, GAMMA
from nsa.report.review import ReviewDecisions, ReviewEntry, ReviewPage
from nsa.report.review import page as page_module

HOSTILE = '<img src=x onerror=alert(1)>.png</script><script>"{{data}}{{pictures}}", Ünï\n\udcff.png'


class Elements(HTMLParser):
    """Script elements by their id, and all policies, as a browser finds them."""

    def __init__(self, text):
        super().__init__()
        self.scripts, self.styles, self.policy, self._open = {}, [], "", None
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.tags.append((tag, named))
        if tag == "meta" and named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named["content"]
        self._open = (tag, named.get("id", "")) if tag in ("script", "style") else None

    def handle_data(self, data):
        if self._open and self._open[0] == "script":
            self.scripts[self._open[1]] = self.scripts.get(self._open[1], "") + data
        elif self._open:
            self.styles.append(data)

    def handle_endtag(self, tag):  # noqa: ARG002 - any
        self._open = None

    def decoded(self, name, mode):
        return cv2.imdecode(np.frombuffer(base64.b64decode(self.scripts[name]), np.uint8), mode)


def read(path):
    return Elements(path.read_text(encoding="utf-8"))


def written(tmp_path, entries, planned=None, images=None, **options):
    page = ReviewPage(
        "a title", planned or len(entries), **{"decisions": None, "map_range": (0, 1)} | options
    )
    images = images or itertools.repeat(
        (np.full((30, 40, 3), 90, np.uint8), np.zeros((30, 40), np.float32))
    )
    for entry, (image, scores) in zip(entries, images, strict=False):
        page.add(entry, image, scores)
    page.write(tmp_path / "review.html")
    return tmp_path / "review.html"


def test_everything_that_is_known_stands_in_the_page(tmp_path):
    conformal = ConformalThreshold([0.3, 0.1, 0.2])
    entries = [
        ReviewEntry("b.png", 0.25, 0.5, "normal", 0, None, [], ""),
        ReviewEntry(HOSTILE, 0.75, 0.75, "anomalous", 1, "crack", [(1, 2, 3, 4, 0.9)], "a b.png"),
        ReviewEntry("c.png", 0.8, 0.75, "anomalous"),
    ]
    decisions = ReviewDecisions(0.25, conformal.threshold(0.25), conformal.bounds)
    page = read(written(tmp_path, entries, decisions=decisions))
    data = json.loads(page.scripts["data"])
    assert [one["path"] for one in data["entries"]] == ["c.png", HOSTILE, "b.png"]
    assert data["entries"][1] == {
        "path": HOSTILE, "raw": 0.75, "score": 0.75, "predicted": "anomalous", "truth": 1,
        "defect": "crack", "regions": [[1, 2, 3, 4, 0.9]], "picture": "a b.png",
        "size": [40, 30], "small": [40, 30],
    }  # fmt: skip
    assert data["decisions"]["threshold"] == conformal.threshold(0.25)
    assert data["decisions"]["bounds"] == conformal.bounds.tolist()
    assert data["left"] == {"raw": [], "truth": []}
    assert bytes.fromhex(data["heat"]["colours"]) == COLOURS.tobytes()


def test_no_name_becomes_html_and_the_policy_forbids_the_network(tmp_path):
    options = {"decisions": None, "map_range": (0, 1)}
    entry = ReviewEntry(HOSTILE, 1.0, defect=HOSTILE, truth=1, picture=HOSTILE)
    pages = []
    for title, one in (("plain", ReviewEntry("a.png", 1.0)), (f"<b>{HOSTILE}", entry)):
        page = ReviewPage(title, 1, **options)
        page.add(one, np.zeros((8, 8, 1), np.uint8), np.zeros((8, 8), np.float32))
        page.write(tmp_path / "review.html")
        pages.append(read(tmp_path / "review.html"))
    assert pages[0].tags == pages[1].tags
    code, policy = pages[0].scripts[""], pages[0].policy
    for kind, text in (("script", code), ("style", pages[0].styles[0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    assert not re.search(
        r"innerHTML|insertAdjacentHTML|outerHTML|document\.write|https?:",
        code.replace("http://www.w3.org/2000/svg", ""),
    )


@pytest.mark.parametrize(("planned", "longest"), [(3, 512), (2000, 161)])
def test_pictures_and_maps_shrink_and_a_small_defect_stays(tmp_path, planned, longest):
    image = np.zeros((600, 900, 3), np.uint8)
    image[:, :450] = (200, 100, 50)
    scores = np.zeros((600, 900), np.float32)
    scores[300:304, 100:104] = 0.5
    entries = [ReviewEntry("a.png", 1.0)]
    page = read(written(tmp_path, entries, planned, [(image, scores)]))
    picture = page.decoded("p0", cv2.IMREAD_COLOR)
    assert picture.shape[1] == longest
    assert picture.shape[0] == round(longest * 2 / 3)
    assert np.abs(picture[20, 20].astype(int) - (50, 100, 200)).max() < 6  # BGR
    levels = page.decoded("m0", cv2.IMREAD_GRAYSCALE).astype(int)
    assert abs(levels.max() - 255 * 0.5**GAMMA) < 40
    row, column = np.unravel_index(levels.argmax(), levels.shape)
    assert row / levels.shape[0] == pytest.approx(0.5, abs=0.02)
    assert column / levels.shape[1] == pytest.approx(102 / 900, abs=0.02)


def test_two_thousand_images_of_noise_stay_below_the_limit(tmp_path):
    """Nothing compresses worse than noise; more images are left out, the least anomalous ones."""
    rng = np.random.default_rng()
    noise = rng.integers(0, 256, (100, 125, 3), np.uint8)
    maps = rng.random((100, 125), np.float32)
    raws = rng.permutation(2100).astype(float)
    entries = [ReviewEntry(f"{int(raw):04}.png", raw, truth=int(raw) % 2) for raw in raws]
    path = written(tmp_path, entries, images=itertools.repeat((noise, maps)))
    assert 10e6 < path.stat().st_size < 30e6
    data = json.loads(read(path).scripts["data"])
    assert [one["raw"] for one in data["entries"]] == [*range(2099, 99, -1)]
    assert data["left"] == {"raw": [*range(100)], "truth": [0, 1] * 50}


def test_order_of_arrival_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(page_module, "MOST_IMAGES", 5)
    entries = [ReviewEntry(f"{number}.png", number // 4) for number in range(12)]
    expected = written(tmp_path, entries).read_bytes()
    for _ in range(3):
        random.shuffle(entries)
        assert written(tmp_path, entries).read_bytes() == expected


def test_images_of_any_shape(tmp_path):
    entries = [ReviewEntry("grey.png", 2.0), ReviewEntry("thin.png", 1.0)]
    images = [
        (np.zeros((5, 7, 1), np.uint8), np.ones((2, 3), np.float32)),
        (np.zeros((1, 4000, 3), np.uint8), np.ones((1, 4000), np.float32)),
    ]
    page = read(written(tmp_path, entries, images=images))
    assert page.decoded("p0", cv2.IMREAD_COLOR).shape == (5, 7, 3)
    assert page.decoded("p1", cv2.IMREAD_COLOR).shape == (1, 512, 3)
    assert page.decoded("m0", cv2.IMREAD_GRAYSCALE).shape == (2, 3)


def test_an_empty_page_and_a_scale_that_is_none(tmp_path):
    assert json.loads(read(written(tmp_path, [])).scripts["data"])["entries"] == []
    with pytest.raises(InputError, match="map_range must be two ascending numbers"):
        ReviewPage("title", 1, None, (1.0, 1.0))


def test_many_threads_fill_one_page(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    page = ReviewPage("title", 40, None, (0, 1))
    image, scores = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.float32)
    with ThreadPoolExecutor(8) as pool:
        for number in range(40):
            pool.submit(page.add, ReviewEntry(f"{number}.png", number), image, scores)
    page.write(tmp_path / "review.html")
    data = json.loads(read(tmp_path / "review.html").scripts["data"])
    assert [one["raw"] for one in data["entries"]] == [*range(39, -1, -1)]
