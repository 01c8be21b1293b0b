"""`imagegen verify`: what is sent, shown, and returned to scripts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.cli.conftest import KEY, CommandLine
from tests.support.api_server import ApiServer, document, example, problem
from tests.support.multipart import parts
from tests.support.pictures import FORMATS, file, noise


def check(state: str, **said: str) -> dict[str, Any]:
    """Return the response for a picture in this state."""
    found = example("provenance")
    nothing = {"issuer": None, "model": None, "generated_at": None}
    outcome = "not_detected" if state == "not_present" else "detected"
    return found | {"results": [{"type": "c2pa", "outcome": outcome, "validation_state": state, **nothing, **said}]}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_trusted_picture_is_described(ready: CommandLine, server: ApiServer, kind: str) -> None:
    server.on("POST", "/verify", document(200, example("provenance")))
    sent = file(noise(), kind)
    (ready.folder / "photo.of.mine").write_bytes(sent)
    done = ready.run("verify", "photo.of.mine")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "trusted: signed with a certificate of an authority that the deployment trusts",
        "issuer     Example Studios",
        "model      demo",
        "generated  2026-11-21T14:00:03Z",
    ]
    (request,) = server.received
    assert request.headers["x-api-key"] == KEY
    assert parts(request) == {"file": (f"image/{kind.lower()}", sent)}


@pytest.mark.parametrize(
    ("state", "code", "words"),
    [
        ("valid", 0, "valid: unchanged"),
        ("not_present", 13, "no content credentials"),
        ("invalid", 14, "invalid: changed"),
    ],
)
def test_the_exit_code_is_the_verdict(ready: CommandLine, server: ApiServer, state: str, code: int, words: str) -> None:
    server.on("POST", "/verify", document(200, check(state)))
    (ready.folder / "photo.png").write_bytes(file(noise(), "PNG"))
    done = ready.run("verify", "photo.png")
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.startswith(words)


def test_json_is_the_services_document(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/verify", document(200, check("invalid")))
    (ready.folder / "photo.png").write_bytes(file(noise(), "PNG"))
    done = ready.run("verify", "photo.png", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (14, check("invalid"))


def test_what_a_picture_says_cannot_control_the_terminal(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/verify", document(200, check("valid", issuer="\x1b[31mAcme\x07")))
    (ready.folder / "photo.png").write_bytes(file(noise(), "PNG"))
    assert "\x1b" not in ready.run("verify", "photo.png").stdout


def test_a_verdict_that_is_not_known_is_no_success(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/verify", document(200, check("probably")))
    (ready.folder / "photo.png").write_bytes(file(noise(), "PNG"))
    assert ready.run("verify", "photo.png").returncode == 7


def test_a_refusal_is_shown_with_its_reason(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/verify", problem("payload_too_large"))
    (ready.folder / "photo.png").write_bytes(file(noise(), "PNG"))
    done = ready.run("verify", "photo.png")
    assert (done.returncode, done.stdout) == (3, "")
    assert "413 payload_too_large" in done.stderr


def test_what_is_no_picture_is_not_sent(ready: CommandLine, server: ApiServer) -> None:
    (ready.folder / "photo.png").write_bytes(b"hello")
    done = ready.run("verify", "photo.png")
    assert (done.returncode, server.received) == (2, [])
