"""`imagegen me` and `usage`."""

from __future__ import annotations

import json

from tests.integration.cli.conftest import CommandLine
from tests.support.api_server import ApiServer, document, example

KEY_ID = "01KAJ9ZV6Y3T0R8M4C2B7D5F1E"
USAGE = {
    "usage": [
        {"month": "2026-10", "model": "sd-turbo", "images": 1200, "seconds": 4810.0, "usd": "0.8016"},
        {"month": "2026-11", "model": "demo", "images": 18, "seconds": 292.8, "usd": "0.0488"},
    ],
    "images": 1218, "seconds": 5102.8, "usd": "0.8504",
}  # fmt: skip
NO_LIMITS: dict[str, object] = {
    "rates": [], "month": "2026-11", "resets_at": "2026-12-01T00:00:00Z", "monthly_images": None, "images_left": None,
    "monthly_usd": None, "usd_left": None, "usd_per_request": None, "unfinished_jobs": None,
}  # fmt: skip
CALLER = [
    "tenant     acme", f"principal  key:{KEY_ID}", "roles      user", "scopes     images:read, images:write",
]  # fmt: skip


def test_me_is_the_caller_and_what_is_left(ready: CommandLine, server: ApiServer) -> None:
    server.on("GET", "/me", document(200, example("me")))
    assert ready.run("me").stdout.splitlines() == [
        *CALLER,
        "rate       drawing: 2 a second, 10 at once",
        "left       482 of 500 images and $19.9512 of $20, until 2026-12-01T00:00:00Z",
        "request    $0.15 at most",
    ]
    assert json.loads(ready.run("me", "--json").stdout) == example("me")


def test_what_has_no_limit_is_not_shown_and_what_is_used_up_is(ready: CommandLine, server: ApiServer) -> None:
    used_up = NO_LIMITS | {"monthly_images": 500, "images_left": 0, "unfinished_jobs": 3}
    server.on("GET", "/me", *(document(200, example("me", limits=each)) for each in (NO_LIMITS, used_up)))
    assert ready.run("me").stdout.splitlines() == CALLER
    assert ready.run("me").stdout.splitlines()[len(CALLER) :] == [
        "left       0 of 500 images, until 2026-12-01T00:00:00Z", "jobs       3 unfinished",
    ]  # fmt: skip


def test_usage_is_a_row_for_each_month_and_model_and_their_sums(ready: CommandLine, server: ApiServer) -> None:
    server.on("GET", "/usage?from=2026-10&to=2026-11", document(200, USAGE))
    months = ["--from", "2026-10", "--to", "2026-11"]
    rows = [row.split() for row in ready.run("usage", *months).stdout.splitlines()]
    assert rows == [
        ["MONTH", "MODEL", "IMAGES", "SECONDS", "COST"],
        ["2026-10", "sd-turbo", "1,200", "4,810.0", "$0.8016"],
        ["2026-11", "demo", "18", "292.8", "$0.0488"],
        ["total", "1,218", "5,102.8", "$0.8504"],
    ]
    assert json.loads(ready.run("usage", *months, "--json").stdout) == USAGE


def test_usage_of_the_current_month_asks_for_none(ready: CommandLine, server: ApiServer) -> None:
    server.on("GET", "/usage", document(200, {"usage": [], "images": 0, "seconds": 0.0, "usd": "0"}))
    assert ready.run("usage").stdout == "No usage.\n"
