"""Chromium without a window, driven by Selenium, with a record of what it requested and complained about."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.wait import WebDriverWait

_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS: Final = (
    *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1300,2000"),
    *("--disable-background-networking", "--disable-component-update", "--no-first-run", "--no-proxy-server"),
)
_TIMEOUT_SECONDS: Final = 120


class Browser:
    """One page at a time."""

    def __init__(self, driver: Chrome):
        self.driver = driver
        self._wait = WebDriverWait(driver, _TIMEOUT_SECONDS, poll_frequency=0.1)

    def find(self, css: str, within: WebElement | None = None) -> WebElement:
        """Wait for the first element that matches, and scroll to it."""
        root: Any = within or self.driver
        found: WebElement = self._wait.until(lambda _: next(iter(root.find_elements(By.CSS_SELECTOR, css)), None))
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
        return found

    def click(self, css: str, within: WebElement | None = None) -> None:
        element = self.find(css, within)
        self._wait.until(expected_conditions.element_to_be_clickable(element))
        element.click()

    def forget(self) -> None:
        """Drop what has been recorded."""
        self._log("performance")
        self._log("browser")

    def requested(self) -> list[str]:
        """URLs that the pages have requested since the last call."""
        entries = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        sent = [entry["params"] for entry in entries if entry["method"] == "Network.requestWillBeSent"]
        return [each["request"]["url"] for each in sent]

    def complaints(self) -> list[str]:
        """What the console reported since the last call, such as a violated Content-Security-Policy."""
        return [entry["message"] for entry in self._log("browser") if entry["level"] != "INFO"]

    def _log(self, kind: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return found


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium. Skips the test where Chromium or its driver is missing."""
    binary = next(filter(None, map(shutil.which, _BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = binary
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    chrome = Chrome(options=options, service=Service(driver))
    try:
        yield Browser(chrome)
    finally:
        chrome.quit()
