"""The page: complete in itself, safe, and readable on a phone."""

import base64
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from records import record, values

from nsa.reproduce.evidence import FALSE_POSITIVE_RATES
from nsa.reproduce.papers import PAPERS
from nsa.reproduce.report import write_report

VOID = {"meta", "img", "br", "path", "polyline"}
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six systems on two categories and two seeds, with a picture."""
    folder = tmp_path_factory.mktemp("results")
    cases = [{"kind": "best", "defect": "<script>", "score": 0.5, "image": "pictures/0.png"}]
    curve = [float(v) for v in np.sqrt(FALSE_POSITIVE_RATES)]
    for number, system in enumerate(("fpi", "pii", "nsa_binary", "nsa_logistic")):
        for category in ("bottle", "metal_nut", "wood"):
            for seed in range(2):
                record(folder, values(
                    system, category, seed, 0.9 + 0.01 * number + 0.003 * seed, epochs=40,
                    shortened=True, overrides={"epochs": 40}, cases=cases,
                    curves={"image_roc": curve, "pixel_roc": curve, "pro": curve},
                ))  # fmt: skip
    (folder / "jobs" / "pictures").mkdir()
    picture = cv2.imencode(".png", np.full((48, 96, 3), 90, np.uint8))[1]
    (folder / "jobs" / "pictures" / "0.png").write_bytes(picture.tobytes())
    write_report(folder, PAPERS["nsa"], ["1", "2", "8"], [])
    return folder


class Reader(HTMLParser):
    """Collects attributes and text, and checks that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_nothing_is_loaded_from_elsewhere(folder: Path) -> None:
    text = (folder / "index.html").read_text(encoding="utf-8")
    page = Reader(text)
    tags = {tag for tag, _, _ in page.attributes}
    assert not tags & {"script", "link", "iframe", "object", "embed"}
    assert "://" not in text
    assert "url(" not in text
    assert "@import" not in text
    ids = {value for _, name, value in page.attributes if name == "id"}
    for _, name, value in page.attributes:
        if name == "href":
            assert value.startswith("#")
            assert value[1:] in ids
        if name == "src":
            assert base64.b64decode(value.removeprefix("data:image/png;base64,"))[1:4] == b"PNG"


def test_names_are_text_and_not_markup(folder: Path) -> None:
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "best: &lt;script&gt;, score 0.5<" in text
    assert "A &lt;processor&gt;" in text


def test_the_page_says_what_it_shows(folder: Path) -> None:
    words = " ".join(Reader((folder / "index.html").read_text(encoding="utf-8")).words)
    assert "Table 1: image AUROC, MVTec AD" in words
    assert "93.2 \N{PLUS-MINUS SIGN} 0.2" in words or "93.1 \N{PLUS-MINUS SIGN} 0.1" in words
    assert "paper 97.7 \N{PLUS-MINUS SIGN} 0.3" in words
    assert "2 seeds, shortened: 40 of 320 epochs" in words
    assert "Shortened runs" in words
    assert "Wilcoxon" in words


def test_a_missing_picture_is_said(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "jobs" / "pictures" / "0.png").unlink()
    write_report(tmp_path / "copy", PAPERS["nsa"], ["1"], [])
    assert "(picture missing)" in (tmp_path / "copy" / "index.html").read_text(encoding="utf-8")


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on the path to open the page with")
@pytest.mark.parametrize("width", [500, 1280])
def test_a_browser_lays_the_page_out_without_overflow(
    width: int, folder: Path, tmp_path: Path
) -> None:
    text = (folder / "index.html").read_text(encoding="utf-8")
    measure = (
        "<script>document.title=[document.documentElement.scrollWidth,innerWidth,"
        "document.querySelectorAll('table').length,"
        "[...document.images].every(i=>i.naturalWidth>0)].join()</script>"
    )
    # The pictures of a page load lazily; measuring needs them at once.
    page = text.replace("</body>", f"{measure}</body>").replace(' loading="lazy"', "")
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    done = subprocess.run(
        [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900",
         f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", str(tmp_path / "page.html")],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    title = re.search(r"<title>([\d,a-z]+)</title>", done.stdout)
    assert title is not None
    content, window, tables, pictures = title.group(1).split(",")
    assert int(content) <= int(window)
    assert int(tables) == 6  # three of results, three of tests
    assert pictures == "true"
