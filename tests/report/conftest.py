"""Chromium for the tests of the review page, which are skipped where it is missing."""

import json
import os
import shutil
import time

import pytest
import review_samples

from nsa.system.readers import read_csv

try:
    from selenium import webdriver
    from selenium.webdriver import ActionChains, Keys
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.select import Select
except ImportError:
    webdriver = None

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--window-size=1400,900"
)


class Page:
    """The browser with the page open, and what a test asks of it."""

    def __init__(self, driver, downloads):
        self.driver, self.downloads = driver, downloads

    def open(self, path):
        self.driver.get(path.as_uri())
        return self

    def __call__(self, script, *values):
        return self.driver.execute_script(script, *values)

    def by_id(self, name):
        return self.driver.find_element("id", name)

    def text(self, name):
        return self.by_id(name).text

    def keys(self, *keys, to=None):
        """Letters, and other keys by their names; to an element, or where the focus is."""
        for key in keys:
            actual = key if len(key) == 1 else getattr(Keys, key)
            if to is None:
                ActionChains(self.driver).send_keys(actual).perform()
            else:
                to.send_keys(actual)

    def css(self, selector):
        return self.driver.find_element("css selector", selector)

    def choose(self, name, value):
        Select(self.by_id(name)).select_by_value(value)

    def names(self):
        """Paths of the cards that are in the document, in its order.

        As JSON, for the driver takes no lone surrogates.
        """
        cards = "[...document.querySelectorAll('.card .name')]"
        return json.loads(self(f"return JSON.stringify({cards}.map((name) => name.title))"))

    def current(self):
        name = "document.querySelector('.card.current .name')"
        return json.loads(self(f"return JSON.stringify({name}.title)"))

    def verdicts(self):
        """As downloaded: path -> verdict."""
        file = self.downloads / "verdicts.csv"
        file.unlink(missing_ok=True)
        self.by_id("download").click()
        self.until(file.exists)
        return {row["path"]: row["verdict"] for row in read_csv(file, ("path", "verdict"))}

    def until(self, condition):
        for _ in range(200):
            if condition():
                return
            time.sleep(0.05)
        raise AssertionError(condition)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver_program = shutil.which("chromedriver")
    if webdriver is None or program is None or driver_program is None:
        pytest.skip("needs selenium, and chromium and chromedriver on PATH")
    folder = tmp_path_factory.mktemp("browser")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for option in (*OPTIONS.split(), f"--user-data-dir={folder / 'user'}"):
        options.add_argument(option)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    os.environ["SE_OFFLINE"] = "true"  # both programs are named, so nothing need be looked for
    driver = webdriver.Chrome(options=options, service=Service(driver_program))
    yield Page(driver, folder)
    driver.quit()


@pytest.fixture
def page(browser, tmp_path):
    """A page over 24 images without their pictures; nothing else may be told in its console."""
    review_samples.write(tmp_path / "review.html")
    browser.open(tmp_path / "review.html")
    browser("localStorage.clear()")  # of a test before
    browser.driver.refresh()
    yield browser
    messages = [entry["message"] for entry in browser.driver.get_log("browser")]
    assert [one for one in messages if "ERR_FILE_NOT_FOUND" not in one] == []
