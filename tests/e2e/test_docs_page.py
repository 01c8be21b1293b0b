"""The interactive page in Chromium: every operation works as the page proposes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from imagegen.api.parameters import EXAMPLES
from tests.e2e.test_jobs import long_request, submit
from tests.support.browser import Browser, browser
from tools.local.client import ApiError, Client
from tools.local.endpoint import Endpoint
from tools.local.stack import LOCAL


class DocsPage:
    """/docs of a stack."""

    def __init__(self, browser: Browser, stack: Endpoint):
        self.browser = browser
        browser.driver.get(f"{stack.base_url}/docs")
        browser.find("#operations-Jobs-getJob")

    def authorize(self, key: str) -> None:
        self.browser.click(".auth-wrapper .authorize")
        self.browser.find(".auth-container input").send_keys(key)
        self.browser.click(".auth-container .modal-btn.authorize")
        self.browser.click(".auth-container .btn-done")

    def open(self, tag: str, operation: str) -> WebElement:
        """Open the operation's section and press "Try it out"."""
        block = self.browser.find(f"#operations-{tag}-{operation}")
        if not block.find_elements(By.CSS_SELECTOR, ".try-out"):
            self.browser.click(".opblock-summary-control", block)
        if not block.find_elements(By.CSS_SELECTOR, ".try-out__btn.cancel"):
            self.browser.click(".try-out__btn", block)
        return block

    def execute(self, tag: str, operation: str) -> tuple[int, Any]:
        """Press "Execute" without changing anything. Returns the status and the body that the page shows."""
        block = self.open(tag, operation)
        self.browser.click(".execute", block)
        status = self.browser.find(".live-responses-table tbody .response-col_status", block).text
        shown = block.find_elements(By.CSS_SELECTOR, ".live-responses-table tbody .highlight-code code")
        return int(status.split()[0]), json.loads(shown[0].text) if shown else None


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture
def page(chromium: Browser, stack: Endpoint) -> DocsPage:
    """The page, newly loaded: it has forgotten the key."""
    return DocsPage(chromium, stack)


def test_every_operation_works_as_the_page_proposes_it(page: DocsPage, client: Client, stack: Endpoint) -> None:
    client.generate(EXAMPLES["seeded"]["value"])  # cached from now on: the page's request cannot become a job
    page.authorize(stack.api_key)
    assert page.execute("Service", "getHealth") == (200, {"status": "ok"})
    assert page.execute("Models", "listModels")[1]["default"]
    status, result = page.execute("Images", "createImage")
    assert (status, result["status"], result["images"][0]["seed"]) == (200, "succeeded", 7)
    before = [submit(client, long_request()) for _ in range(5)]  # they keep the worker busy: the page's job waits
    status, job = page.execute("Jobs", "submitJob")
    assert (status, job["status"]) == (202, "queued")
    cancelled = page.execute("Jobs", "cancelJob")
    assert (cancelled[0], cancelled[1]["id"], cancelled[1]["status"]) == (200, job["id"], "cancelled")
    for each in before:
        with suppress(ApiError):  # the first may have finished
            client.call("POST", f"/jobs/{each['id']}/cancel")
    assert page.execute("Jobs", "getJob")[1]["id"] == job["id"]
    listed = page.execute("Jobs", "listJobs")
    assert (listed[0], listed[1]["jobs"][0]["id"]) == (200, job["id"])
    page.browser.driver.save_screenshot(str(LOCAL / "docs-page.png"))
    assert page.execute("Jobs", "deleteJob") == (204, None)


def test_without_the_key_the_page_shows_what_is_missing(page: DocsPage) -> None:
    status, problem = page.execute("Jobs", "listJobs")
    assert (status, problem["code"]) == (401, "invalid_token")


def test_the_page_reaches_no_other_host_and_violates_no_policy(chromium: Browser, stack: Endpoint) -> None:
    chromium.forget()
    DocsPage(chromium, stack).execute("Service", "getHealth")
    asked = {urlsplit(url).netloc for url in chromium.requested() if not url.startswith("data:")}
    assert asked == {urlsplit(stack.base_url).netloc}
    assert chromium.complaints() == []


def test_the_page_allows_only_its_own_scripts_and_its_own_host(stack: Endpoint) -> None:
    headers = requests.get(f"{stack.base_url}/docs", timeout=60).headers
    policy = dict(each.split(maxsplit=1) for each in headers["content-security-policy"].split("; "))
    assert (policy["default-src"], policy["connect-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert "unsafe" not in policy["script-src"]
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert headers["content-type"] == "text/html; charset=utf-8"
