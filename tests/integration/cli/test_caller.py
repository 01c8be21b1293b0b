"""`imagegen me` and `usage`."""

from __future__ import annotations

import csv
import io
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


ROWS = [
    {"tenant": "acme", "month": "2026-10", "model": "demo", "images": 3, "seconds": 0.1, "usd": "0.1"},
    {"tenant": "acme", "month": "2026-10", "model": "sdxl", "images": 1200, "seconds": 0.2, "usd": "0.20000001"},
    {"tenant": "zoo", "month": "2026-10", "model": "demo", "images": 1, "seconds": 0.3, "usd": "0.3"},
]


def report_in_two_pages(server: ApiServer) -> None:
    first, last = ROWS[2:], ROWS[:2]
    pages = [{"month": "2026-10", "rows": first, "cursor": "c 2"}, {"month": "2026-10", "rows": last, "cursor": None}]
    server.on("GET", "/report?month=2026-10", document(200, pages[0]))
    server.on("GET", "/report?month=2026-10&cursor=c+2", document(200, pages[1]))


def test_a_report_has_every_page_and_the_exact_sum(ready: CommandLine, server: ApiServer) -> None:
    report_in_two_pages(server)
    rows = [row.split() for row in ready.run("report", "--month", "2026-10").stdout.splitlines()]
    assert rows == [
        ["TENANT", "MONTH", "MODEL", "IMAGES", "SECONDS", "COST"],
        ["acme", "2026-10", "demo", "3", "0.1", "$0.1"],
        ["acme", "2026-10", "sdxl", "1,200", "0.2", "$0.20000001"],
        ["zoo", "2026-10", "demo", "1", "0.3", "$0.3"],
        ["total", "1,204", "0.6", "$0.60000001"],
    ]
    report = json.loads(ready.run("report", "--month", "2026-10", "--json").stdout)
    assert report == {"rows": ROWS, "images": 1204, "seconds": 0.6, "usd": "0.60000001"}


def test_a_report_as_csv_is_read_back_as_it_was(ready: CommandLine, server: ApiServer) -> None:
    report_in_two_pages(server)
    text = ready.run("report", "--month", "2026-10", "--csv").stdout
    assert text.splitlines()[:2] == ["tenant,month,model,images,seconds,usd", "acme,2026-10,demo,3,0.1,0.1"]
    assert list(csv.DictReader(io.StringIO(text))) == [{name: str(row[name]) for name in row} for row in ROWS]


def test_a_report_of_several_months_asks_for_each(ready: CommandLine, server: ApiServer) -> None:
    for month in ("2026-09", "2026-10"):
        server.on("GET", f"/report?month={month}", document(200, {"month": month, "rows": [], "cursor": None}))
    assert ready.run("report", "--month", "2026-09", "--month", "2026-10").stdout == "No usage.\n"
    assert len(server.received) == 2


def test_a_month_that_is_named_twice_counts_once(ready: CommandLine, server: ApiServer) -> None:
    report_in_two_pages(server)
    report = json.loads(ready.run("report", "--month", "2026-10", "--month", "2026-10", "--json").stdout)
    assert (report["images"], len(server.received)) == (1204, 2)


def test_every_page_of_the_current_month_is_of_the_month_that_the_first_one_names(
    ready: CommandLine, server: ApiServer
) -> None:
    """Also if the next month begins in between."""
    server.on("GET", "/report", document(200, {"month": "2026-10", "rows": ROWS[:1], "cursor": "c 2"}))
    server.on(
        "GET", "/report?month=2026-10&cursor=c+2", document(200, {"month": "2026-10", "rows": [], "cursor": None})
    )
    assert json.loads(ready.run("report", "--json").stdout)["rows"] == ROWS[:1]


def test_a_report_of_the_current_month_asks_for_none(ready: CommandLine, server: ApiServer) -> None:
    server.on("GET", "/report", document(200, {"month": "2026-11", "rows": [], "cursor": None}))
    assert ready.run("report", "--csv").stdout == "tenant,month,model,images,seconds,usd\n"


def test_a_report_is_csv_or_json(ready: CommandLine) -> None:
    done = ready.run("report", "--csv", "--json")
    assert (done.returncode, "--csv and --json" in done.stderr) == (2, True)


def test_usage_of_the_current_month_asks_for_none(ready: CommandLine, server: ApiServer) -> None:
    server.on("GET", "/usage", document(200, {"usage": [], "images": 0, "seconds": 0.0, "usd": "0"}))
    assert ready.run("usage").stdout == "No usage.\n"
