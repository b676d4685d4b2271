"""The review page as a person meets it: in Chromium, opened from disk."""

import numpy as np
from review_samples import CONFORMAL, by_score, entries

from nsa.metrics import auroc


def test_order_and_filter(page):
    images = by_score()
    threshold = CONFORMAL.threshold(0.1)
    shown = page.names()
    assert shown == [one.path for one in images][: len(shown)]
    assert len(shown) >= 12
    page.choose("order", "reverse")
    assert page.names()[0] == images[-1].path
    page.choose("order", "path")
    assert page.names()[0] == min(one.path for one in images)
    page.choose("order", "uncertain")
    assert page.names()[0] == min(images, key=lambda one: abs(one.raw_score - threshold)).path
    page.choose("order", "score")
    for name, kept in {
        "normal": lambda one: one.raw_score <= threshold,
        "anomalous": lambda one: one.raw_score > threshold,
        "disagree": lambda one: (one.raw_score > threshold) != one.truth,
    }.items():
        page.choose("filter", name)
        count = sum(map(kept, images))
        assert page.text("shown") == f"{count} of 24 images"
        assert set(page.names()) <= {one.path for one in images if kept(one)}
        assert page.names()


def test_slider_shows_what_a_threshold_does(page):
    images = list(entries())
    raws = np.array([one.raw_score for one in images])
    truth = np.array([one.truth == 1 for one in images])

    def holds(threshold):
        found = raws > threshold
        assert page.text("count-anomalous") == str(found.sum())
        assert page.text("count-normal") == str(24 - found.sum())
        cells = {"hits": found & truth, "misses": ~found & truth,
                 "alarms": found & ~truth, "rejections": ~found & ~truth}  # fmt: skip
        for name, cell in cells.items():
            assert page.text(name) == str(cell.sum())
        rate = (1 + (CONFORMAL.bounds > threshold).sum()) / 20
        assert f"at most {100 * rate:g} % of normal images" in page.text("rate-text")

    at_run = CONFORMAL.threshold(0.1)
    holds(at_run)
    assert "at most 10 %" in page.text("rate-text")
    assert f"AUROC {auroc(truth, raws):.3f}" in page.by_id("roc").text
    assert not page.by_id("reset").is_enabled()
    steps = np.unique([*raws, *CONFORMAL.bounds, at_run])
    slider = page.by_id("slider")
    page.keys("ARROW_RIGHT", to=slider)  # to the next score or bound
    holds(steps[steps > at_run][0])
    page.keys("ARROW_LEFT", "ARROW_LEFT", to=slider)
    holds(steps[steps < at_run][-1])
    for place, threshold in ((0, -np.inf), (1000, np.inf)):  # as the mouse moves it
        page("arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))",
             slider, place)  # fmt: skip
        page.until(lambda t=threshold: page.text("count-anomalous") == str((raws > t).sum()))
        holds(threshold)
    assert slider.get_attribute("aria-valuetext").startswith("Threshold ")
    page.until(lambda: "0 anomalous, 24 normal" in page.by_id("status").get_property("textContent"))
    page.by_id("reset").click()
    holds(at_run)


def test_verdicts_by_keys_and_buttons_are_kept_downloaded_and_loaded(page):
    images = [one.path for one in by_score()]
    given = {}
    for number, key in enumerate("bbgbgx"):
        assert page.current() == images[number]
        if key == "x":  # a slip that is undone
            page.keys("g", "u")
            assert page.current() == images[number]
        else:
            page.keys(key)
            given[images[number]] = {"g": "good", "b": "bad"}[key]
    for number in (6, 7, 8):
        card = page.css(f".card[aria-posinset='{number + 1}']")
        card.find_element("css selector", ".judge .good").click()
        given[images[number]] = "good"
    page.keys("ENTER")  # on the button, which takes the verdict back
    del given[images[8]]
    page.css(".card.current .thumb").click()
    page.by_id("bad").click()
    given[images[8]] = "bad"
    for path in images[9:]:  # in the dialog, all the awkward names
        assert page.current() == path
        page.keys("g")
        given[path] = "good"
    page.keys("ESCAPE")
    assert page.text("progress-text").startswith(f"{len(given)} of 24 judged")
    assert page.verdicts() == given
    file = page.downloads / "verdicts.csv"
    assert [*page.verdicts()] == sorted(given)

    page.driver.refresh()
    assert page.text("progress-text").startswith(f"{len(given)} of 24 judged")
    assert page.verdicts() == given

    page("localStorage.clear()")
    page.driver.refresh()
    assert page.text("progress-text") == "0 of 24 judged"
    page.by_id("load").send_keys(str(file))
    page.until(lambda: page.text("told").startswith(f"{len(given)} verdicts were loaded."))
    assert page.verdicts() == given
    page.by_id("undo").click()
    assert page.text("progress-text") == "0 of 24 judged"


def test_every_line_that_is_not_taken_is_told(page, tmp_path):
    first, second = page.names()[:2]
    page.keys("b")
    file = tmp_path / "earlier.csv"
    file.write_bytes(
        b"\xef\xbb\xbfnote,verdict,path\r\n"
        + f'x,good,"{first}"\r\nx,good,{second}\r\n"a\nb",good,test/1.png\r\n'.encode()
        + b"x,bad,test/1.png\r\nx,good,<b>nowhere</b>.png\r\nx,perhaps,test/3.png\r\n"
    )
    page.by_id("load").send_keys(str(file))
    page.until(lambda: page.by_id("told").is_displayed())
    assert page.text("told").split("\n") == [
        "1 verdict was loaded.",
        f"Line 2: {first} is good in the file but bad on this page, which is kept.",
        "Line 6: test/1.png is bad here but good in line 4; neither is taken.",
        "Line 7: <b>nowhere</b>.png is not on this page.",
        "Line 8: the verdict of test/3.png is “perhaps”, which is neither good nor bad.",
    ]
    assert page.verdicts() == {first: "bad", second: "good"}
    for content, reason in (("a,b\n1,2\n", "must name the columns path and verdict"),
                            ('path,verdict\n"a', "opens in line 2 is never closed")):  # fmt: skip
        file.write_text(content)
        page.by_id("load").send_keys(str(file))
        page.until(lambda r=reason: r in page.text("told"))
    assert page.verdicts() == {first: "bad", second: "good"}
