"""The review page in Chromium: one image large, the names of controls, and what is missing."""

import numpy as np
import pytest
from PIL import Image
from review_samples import GREY, SIZE, by_score, entries, heat_map, write

from nsa.report.overlay import overlay
from nsa.report.review import ReviewPage
from nsa.report.review import page as page_module

# Every element that takes the keyboard or a click, with what assistive technology calls it.
CONTROLS = "a, button, input, select, summary, [tabindex], [role=toolbar], [role=img], dialog"
# Colours of text and of what lies below it.
PAIRS = (
    ("ink", "back"), ("faint", "back"), ("faint", "sheet"), ("accent", "sheet"),
    ("on-accent", "accent"), ("good", "good-back"), ("bad", "bad-back"), ("warn", "sheet"),
    ("sheet", "good"), ("sheet", "bad"), ("ink", "warn-back"),
)  # fmt: skip
DASH = "\N{EN DASH}"


def drawn(page, index):
    """The colours of a card as they are on the screen, from its picture and its canvas."""
    pixels = page("""
        const card = document.querySelector(`.card[data-index="${arguments[0]}"]`);
        const canvas = document.createElement("canvas");
        const [image, heat] = [card.querySelector("img"), card.querySelector("canvas")];
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        if (!heat.hidden) context.drawImage(heat, 0, 0, canvas.width, canvas.height);
        return [...context.getImageData(0, 0, canvas.width, canvas.height).data];
    """, index)  # fmt: skip
    return np.array(pixels).reshape(*SIZE, 4)[..., :3]


def test_heat_maps_have_the_colours_of_the_overlays(page):
    page.until(lambda: page("return document.querySelector('.card canvas').width") != 300)
    expected = overlay(np.full((*SIZE, 3), GREY, np.uint8), heat_map(), 1.0)
    difference = np.abs(drawn(page, 0) - expected.astype(int))
    assert np.median(difference) <= 3
    assert difference[13:17, 14:26].max() <= 12  # within the defect, of JPEG
    page.keys("h")
    assert page.by_id("heat").get_attribute("aria-pressed") == "false"
    assert np.abs(drawn(page, 0) - np.array(GREY)).max() <= 3


def test_one_image_large(page, tmp_path):
    """With the overlay beside the page, and without."""
    first, second = by_score()[:2]
    Image.new("RGB", (400, 300), (10, 200, 30)).save(tmp_path / first.picture)
    page.keys("ENTER")
    page.until(lambda: page.by_id("large").get_property("naturalWidth") == 400)
    assert not page.by_id("large-heat").is_displayed()
    assert page.text("viewer-note") == ""
    assert page.text("viewer-place") == "1 of 24"
    for fact in (first.path, f"{first.score:.4f}", f"{first.raw_score:g}", "crack"):
        assert fact in page.text("facts")
    box, frame = page.css(".region").rect, page.by_id("frame").rect
    assert box["x"] - frame["x"] == pytest.approx(5 / 40 * frame["width"], abs=1)
    assert box["height"] == pytest.approx(8 / 30 * frame["height"], abs=1)
    page.keys("r")
    assert not page.by_id("boxes").is_displayed()
    page.keys("h")  # without the heat map, which is in the overlay
    assert page.by_id("large").get_property("naturalWidth") == 40
    page.keys("h", "z")
    assert page.by_id("frame").rect["width"] == 40
    page.keys("z", "ARROW_RIGHT")
    page.until(lambda: "is not beside this page" in page.text("viewer-note"))
    assert second.picture in page.text("viewer-note")
    assert page.by_id("large").get_property("naturalWidth") == 40
    assert page.by_id("large-heat").is_displayed()
    page.keys("ARROW_LEFT", "ARROW_LEFT")
    assert page.text("viewer-place") == "1 of 24"
    page.keys("END", "ESCAPE")
    assert page.current() == by_score()[-1].path
    # The focus comes back when the browser has closed the dialog.
    page.until(lambda: page("return document.activeElement.closest('.card.current') !== null"))


def test_verdicts_follow_the_filter(page):
    """Of unjudged images one that is judged goes, and the next is there."""
    page.choose("filter", "unjudged")
    images = [one.path for one in by_score()]
    page.keys("g")  # the list has the focus, and letters choose in it
    assert page.text("progress-text") == "0 of 24 judged"
    page.css(".card .thumb").click()
    page.keys("ESCAPE", "b")
    assert page.names()[0] == page.current() == images[1]
    assert page.text("shown") == "23 of 24 images"
    page.keys("ARROW_RIGHT", "ARROW_DOWN", "ARROW_UP")
    assert page.current() == images[2]
    page.css(".card.current .judge .bad").click()
    assert page.current() == images[3]
    page.keys("u", "u")
    assert page.current() == images[0]
    assert page.text("progress-text") == "0 of 24 judged"


def test_every_control_has_a_name(page):
    page.keys("ENTER")
    seen = set()
    for within in ("#viewer", "body"):  # what lies below a dialog has no name
        for control in page.css(within).find_elements("css selector", CONTROLS):
            if control.is_displayed():
                assert control.accessible_name.strip(), control.get_attribute("outerHTML")
                assert control.aria_role not in ("none", "generic"), control.get_attribute("id")
                seen.add(control.get_attribute("id"))
        page.keys("ESCAPE")
    assert {"slider", "filter", "order", "heat", "download", "close", "good", "bad"} <= seen
    assert page.by_id("load").accessible_name == "Load an earlier verdicts.csv"
    card = page.css(".card")
    assert card.aria_role == "listitem"
    assert card.get_attribute("aria-setsize") == "24"
    first = by_score()[0]
    name = card.find_element("css selector", ".thumb").accessible_name
    assert name == (
        f"{first.path.split('/')[1]}, score {first.score:.3f}, anomalous, truth: crack, not judged"
    )
    assert page("return document.documentElement.lang") == "en"
    reached = set()
    page.keys("g")  # or there is nothing to download
    page.driver.refresh()
    for _ in range(25):
        page.keys("TAB")
        reached.add(page("return document.activeElement.id || document.activeElement.className"))
    assert {"slider", "download", "load", "filter", "order", "heat", "thumb", "good"} <= reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_and_a_narrow_screen(page, scheme):
    devtools = page.driver.execute_cdp_cmd
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    devtools("Emulation.setEmulatedMedia", {"features": media})
    screen = {"width": 360, "height": 700, "deviceScaleFactor": 1, "mobile": False}
    devtools("Emulation.setDeviceMetricsOverride", screen)
    try:
        page.driver.refresh()
        width = page("return document.documentElement.scrollWidth")
        assert width <= page("return window.innerWidth")
        for ink, back in PAIRS:
            lighter, darker = sorted((luminance(page, ink), luminance(page, back)), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (ink, back)
    finally:
        devtools("Emulation.clearDeviceMetricsOverride", {})
        devtools("Emulation.setEmulatedMedia", {"features": []})


def luminance(page, name):
    text = page(f"return getComputedStyle(document.body).getPropertyValue('--{name}')").strip()
    values = np.array([int(text[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(values <= 0.03928, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def test_without_calibration_and_truth(page, tmp_path):
    write(tmp_path / "plain.html", calibrated=False, truth=False)
    page.open(tmp_path / "plain.html")
    assert "not calibrated" in page.text("summary")
    assert "nsa calibrate" in page.text("rate-text")
    assert page.text("count-anomalous") == DASH
    assert page.css(".card .tag").text == ""
    assert not page.by_id("quality").is_displayed()
    assert not page.css("option[value=uncertain]").is_enabled()
    page.keys("ARROW_LEFT", "ARROW_LEFT", to=page.by_id("slider"))
    raws = sorted({one.raw_score for one in entries()})
    above = sum(one.raw_score > raws[-2] for one in entries())
    assert page.text("count-anomalous") == str(above)
    page.css(".card .thumb").click()
    page.keys("b", "b", "g", "ESCAPE")  # verdicts stand for the truth
    assert page.by_id("quality").is_displayed()
    assert "AUROC 1.000" in page.by_id("roc").text
    page.by_id("reset").click()
    assert page.text("count-anomalous") == DASH


def test_images_that_are_left_out_count(page, tmp_path, monkeypatch):
    monkeypatch.setattr(page_module, "MOST_IMAGES", 10)
    write(tmp_path / "short.html")
    page.open(tmp_path / "short.html")
    assert "10 images with the highest raw scores are shown, and 14 others" in page.text("left-out")
    assert page.text("shown") == "10 of 10 images"
    assert int(page.text("count-anomalous")) + int(page.text("count-normal")) == 24
    assert sum(int(page.text(cell)) for cell in ("hits", "misses", "alarms", "rejections")) == 24


def test_a_page_without_images(page, tmp_path):
    ReviewPage("empty", 0, None, (0.0, 1.0)).write(tmp_path / "empty.html")
    page.open(tmp_path / "empty.html")
    page.keys("g", "u", "h", "ARROW_RIGHT", "ENTER")
    assert page.text("empty") == "There are no images."
    assert not page.by_id("viewer").is_displayed()


def test_a_browser_that_keeps_nothing(page):
    refuse = (
        "Storage.prototype.setItem = () => { throw new DOMException('no', 'QuotaExceededError'); }"
    )
    script = page.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": refuse}
    )
    try:
        page.driver.refresh()
        assert "live until it is closed" in page.text("storage-text")
        path = page.current()
        page.css(".card .judge .good").click()
        assert not page(
            "return window.dispatchEvent(new Event('beforeunload', {cancelable: true}))"
        )
        assert page.verdicts() == {path: "good"}
        assert page("return window.dispatchEvent(new Event('beforeunload', {cancelable: true}))")
    finally:
        page.driver.execute_cdp_cmd(
            "Page.removeScriptToEvaluateOnNewDocument", {"identifier": script["identifier"]}
        )


def test_the_page_is_refused_the_network(page):
    """By its policy; and it never asks for it."""
    asked = page("return performance.getEntriesByType('resource').map(one => one.name)")
    assert all(one.startswith(("file:", "data:")) for one in asked)
    page("document.querySelector('#large').src = 'http://127.0.0.1:9/x.png'")
    refused = []
    page.until(lambda: refused.extend(page.driver.get_log("browser")) or refused)
    assert "Content Security Policy" in refused[0]["message"]
