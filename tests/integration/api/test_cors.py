"""Cross-origin requests: preflights, and the headers that scripts may read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from imagegen.api.app import build_app, resolve
from imagegen.api.cors import EXPOSED_HEADERS
from imagegen.api.routes import generate
from imagegen.entrypoints import api
from tests.support.bad_requests import BAD_REQUESTS
from tests.support.expectations import events_of, load
from tests.support.handlers import invoke, wired_handlers
from tools.lambda_event import Context, api_event

ORIGIN: Final = "https://app.example.com"
ALWAYS: Final = {"authorization", "content-type", "x-api-key", "idempotency-key", "prefer"}
PAGE = {"content-security-policy", "referrer-policy", "x-content-type-options"}
"""Headers of /docs, for the browser."""
SAFELISTED: Final = {
    *("cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"),
}
"""Response headers that scripts may always read (Fetch, CORS-safelisted response-header names)."""
STAINLESS: Final = (
    "authorization,content-type,x-stainless-arch,x-stainless-lang,x-stainless-os,x-stainless-package-version,"
    "x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version,x-stainless-timeout"
)


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[None]:
    with wired_handlers():
        yield


def preflight(requested: str | list[str] | None, *origins: str, origin: str | None = ORIGIN) -> dict[str, str]:
    """Return the headers of a preflight's response, by lower-case name."""
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": requested}
    event = api_event(b"", method="OPTIONS", path="/generate", headers=headers)
    container = api.container
    container.settings = container.settings.model_copy(update={"allowed_origins": origins or ("*",)})
    answer = resolve(build_app(origins or ("*",), generate.router), container, event, Context())  # type: ignore[arg-type]
    assert answer["statusCode"] == 204
    return by_name(answer)


def by_name(answer: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): ", ".join(values) for name, values in answer["multiValueHeaders"].items()}


def allowed(headers: dict[str, str]) -> set[str]:
    return set(headers["access-control-allow-headers"].lower().split(","))


@pytest.mark.parametrize(
    "requested",
    ["traceparent", "traceparent,tracestate,baggage", "baggage, sentry-trace", STAINLESS, "x-datadog-trace-id", "b3"],
)
def test_a_preflight_allows_every_header_that_it_asks_for(requested: str) -> None:
    headers = preflight(requested)
    assert set(requested.replace(" ", "").split(",")) | ALWAYS <= allowed(headers)
    assert headers["access-control-allow-origin"] == "*"
    assert headers["vary"] == "Access-Control-Request-Headers"
    assert headers["access-control-max-age"] == "7200"
    assert "POST" in headers["access-control-allow-methods"]


@pytest.mark.parametrize("requested", [None, "", " , "])
def test_a_preflight_without_headers_lists_those_of_the_contract(requested: str | None) -> None:
    assert allowed(preflight(requested)) >= ALWAYS


@pytest.mark.parametrize("requested", ["x y", "a\r\nset-cookie: x", "é", "x:y", '"x"', "x" * 129, "a(b)"])
def test_what_is_not_a_header_name_is_not_echoed(requested: str) -> None:
    headers = preflight(f"traceparent, {requested}")
    assert allowed(headers) == allowed(preflight("traceparent"))


def test_the_number_of_echoed_headers_is_limited() -> None:
    many = allowed(preflight(",".join(f"x-{number}" for number in range(5000))))
    assert len(many) < 120


def test_all_lines_of_the_request_count() -> None:
    assert {"traceparent", "baggage"} <= allowed(preflight(["traceparent", "baggage"]))


def test_only_allowed_origins_get_cors_headers() -> None:
    origins = ("https://a.example", "https://b.example")
    for origin in origins:
        headers = preflight("traceparent", *origins, origin=origin)
        assert headers["access-control-allow-origin"] == origin
        assert headers["vary"] == "Origin, Access-Control-Request-Headers"
    other = preflight("traceparent", *origins, origin="https://c.example")
    assert not [name for name in other if name.startswith("access-control-allow-origin")]
    assert "access-control-allow-headers" not in other


def test_no_response_allows_credentials() -> None:
    assert "access-control-allow-credentials" not in preflight("cookie")


def responses() -> Iterator[dict[str, Any]]:
    for bad in BAD_REQUESTS.values():
        yield invoke(bad.expected.function, bad.event)
    for name in events_of("Api"):
        yield invoke("Api", load(name))
    for name in ("generate-respond-async.json", "bad-method.json"):
        yield invoke("Generator", load(name))


def test_scripts_may_read_every_header() -> None:
    exposed = {name.lower() for name in EXPOSED_HEADERS}
    sent = {name for answer in responses() for name in by_name(answer) if not name.startswith("access-control-")}
    assert {"location", "retry-after", "preference-applied", "allow", "x-request-id"} <= sent
    assert sent - SAFELISTED - PAGE - {"vary"} <= exposed


def test_a_response_to_an_origin_exposes_them() -> None:
    answer = by_name(invoke("Api", api_event(b"", method="GET", path="/health", headers={"Origin": ORIGIN})))
    assert answer["access-control-expose-headers"].split(",") == list(EXPOSED_HEADERS)
