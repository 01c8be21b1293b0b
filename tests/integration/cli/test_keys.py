from __future__ import annotations

import json

import pytest

from tests.integration.cli.conftest import CommandLine
from tests.support.api_server import ApiServer, Reply, document, problem

KEY_ID = "01KAJ9ZV6Y3T0R8M4C2B7D5F1E"
VALUE = "imagegen_0000EXAMPLE0000EXAMPLE0000EXAMPLE0000EXAMPLE00"
STORED = {
    "id": KEY_ID, "tenant": "acme", "name": "website", "roles": ["user"], "scopes": ["images:read", "images:write"],
    "created_at": "2026-11-21T14:00:00Z", "ends_at": None, "replaced_by": None,
}  # fmt: skip
NEW = STORED | {"key": VALUE}
OF_TENANT = ["--tenant", "acme"]


def test_a_key_is_created_and_shown_once(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/keys", document(201, NEW))
    fields = ["--name", "website", "--role", "user", "--role", "operator", "--scope", "images:read"]
    done = ready.run("keys", "create", *OF_TENANT, *fields)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        VALUE,
        f"  id       {KEY_ID}",
        "  tenant   acme",
        "  name     website",
        "  roles    user",
        "  scopes   images:read, images:write",
    ]
    assert VALUE not in done.stderr
    assert server.received[0].json == {
        "tenant": "acme", "name": "website", "roles": ["user", "operator"], "scopes": ["images:read"],
    }  # fmt: skip


def test_json_is_the_key_as_sent_and_what_was_not_given_is_left_out(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/keys", document(201, NEW | {"a_later_member": 1}))
    done = ready.run("keys", "create", "--json")
    assert (json.loads(done.stdout), done.stderr) == (NEW | {"a_later_member": 1}, "")
    assert server.received[0].json == {}


def test_keys_are_listed_with_whole_ids(ready: CommandLine, server: ApiServer) -> None:
    page = {"keys": [STORED | {"ends_at": "2026-11-22T14:00:00Z", "replaced_by": "01KB"}, STORED]}
    server.on("GET", "/keys?tenant=acme", document(200, page))
    rows = ready.run("keys", "list", *OF_TENANT).stdout.splitlines()
    assert [row.split()[0] for row in rows] == ["KEY", KEY_ID, KEY_ID]
    assert "2026-11-22T14:00:00Z  01KB" in rows[1]
    assert json.loads(ready.run("keys", "list", *OF_TENANT, "--json").stdout) == page


def test_a_key_is_replaced(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", f"/keys/{KEY_ID}/rotate", document(201, NEW))
    done = ready.run("keys", "rotate", KEY_ID, *OF_TENANT, "--overlap-seconds", "0")
    assert done.stdout.splitlines()[0] == VALUE
    assert server.received[0].json == {"tenant": "acme", "overlap_seconds": 0}


def test_a_key_is_revoked(ready: CommandLine, server: ApiServer) -> None:
    server.on("DELETE", f"/keys/{KEY_ID}?tenant=acme", Reply(502, b"<html>"), Reply(204))
    done = ready.run("keys", "revoke", KEY_ID, *OF_TENANT, "--json")
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, {"revoked": KEY_ID}, "")


@pytest.mark.parametrize(
    ("reply", "exit_code"),
    [
        (Reply(0, resets=True), 8), (Reply(502, b"<html>"), 7), (problem("storage_unavailable", retry_after="0"), 7),
        (document(201, {"key": VALUE}), 7),
    ],
    ids=["reset", "html", "503", "damaged"],
)  # fmt: skip
@pytest.mark.parametrize("arguments", [["create"], ["rotate", KEY_ID]])
def test_a_key_that_may_exist_is_not_created_twice_and_how_to_find_it_is_said(
    ready: CommandLine, server: ApiServer, arguments: list[str], reply: Reply, exit_code: int
) -> None:
    for path in ("/keys", f"/keys/{KEY_ID}/rotate"):
        server.on("POST", path, reply)
    done = ready.run("keys", *arguments, *OF_TENANT)
    assert (done.returncode, done.stdout, len(server.received)) == (exit_code, "", 1)
    assert "imagegen keys list --tenant acme" in done.stderr
    assert VALUE not in done.stderr


def test_a_throttled_request_did_nothing_and_is_repeated(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/keys", problem("rate_limited", retry_after="0"), document(201, NEW))
    assert ready.run("keys", "create", "--json").returncode == 0
    server.on("POST", "/keys", problem("quota_exceeded", retry_after="86400"))
    done = ready.run("keys", "create")
    assert (done.returncode, "may have been created" in done.stderr) == (6, False)


@pytest.mark.parametrize("command", ["rotate", "revoke"])
@pytest.mark.parametrize("key_id", ["", "..", "a/b", "%2e", "x" * 65])
def test_an_id_that_would_be_another_path_is_not_sent(
    ready: CommandLine, server: ApiServer, command: str, key_id: str
) -> None:
    assert ready.run("keys", command, key_id).returncode == 2
    assert server.received == []
