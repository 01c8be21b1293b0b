from __future__ import annotations

import subprocess

import pytest
import requests

from tools.local.endpoint import Endpoint
from tools.local.show_endpoint import assignments

ENDPOINT = Endpoint("http://127.0.0.1:4599/v1", "0123abcd")
PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


def after_eval(expression: str) -> str:
    """Return what bash prints for the expression after the assignments."""
    script = f"{assignments(ENDPOINT)}\nprintf %s {expression}"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout


def test_the_shell_gets_address_and_key() -> None:
    assert after_eval('"$API $KEY"') == f"{ENDPOINT.base_url} {ENDPOINT.api_key}"


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy"])
@pytest.mark.parametrize("others", ["", "internal.example.com"])
def test_with_a_proxy_in_the_environment_calls_to_the_stack_bypass_it(
    monkeypatch: pytest.MonkeyPatch, name: str, others: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", others)
    after = after_eval('"$no_proxy"')
    assert after.startswith(others)
    monkeypatch.setenv("no_proxy", after)
    assert requests.utils.get_environ_proxies(ENDPOINT.base_url) == {}


def test_without_a_proxy_the_environment_is_left_alone() -> None:
    assert "proxy" not in assignments(ENDPOINT)
