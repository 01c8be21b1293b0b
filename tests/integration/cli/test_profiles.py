from __future__ import annotations

import json
import stat

import pytest

from tests.integration.cli.conftest import KEY, CommandLine
from tests.support.api_server import ApiServer, document, example


@pytest.fixture
def served(server: ApiServer) -> ApiServer:
    server.on("GET", "/models", document(200, example("models")))
    return server


def test_a_deployment_is_kept_and_called(cli: CommandLine, served: ApiServer) -> None:
    added = cli.run("profile", "add", "local", served.api, stdin=f"{KEY}\n")
    file = cli.folder / ".config" / "imagegen" / "config.toml"
    assert (added.returncode, added.stdout) == (0, f"local is kept in {file}.\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    done = cli.run("models")
    assert done.returncode == 0, done.stderr
    assert served.received[0].headers["x-api-key"] == KEY


def test_a_profile_may_hold_a_token(cli: CommandLine, served: ApiServer) -> None:
    cli.run("profile", "add", "local", served.api, "--token", stdin=f"{KEY}\n")
    assert cli.run("models").returncode == 0
    assert (served.received[0].headers["authorization"], "x-api-key" in served.received[0].headers) == (
        f"Bearer {KEY}", False,
    )  # fmt: skip


def test_profiles_are_listed_selected_and_removed_and_no_key_is_shown(cli: CommandLine, server: ApiServer) -> None:
    for name in ("dev", "prod"):
        cli.run("profile", "add", name, f"https://{name}.example", "--json", stdin=KEY)
    assert cli.run("profile", "list").stdout == "* dev  https://dev.example\n  prod  https://prod.example\n"
    assert json.loads(cli.run("profile", "use", "prod", "--json").stdout) == {"selected": "prod"}
    assert json.loads(cli.run("profile", "list", "--json").stdout) == {
        "selected": "prod",
        "profiles": [{"name": "dev", "url": "https://dev.example"}, {"name": "prod", "url": "https://prod.example"}],
    }
    assert cli.run("profile", "remove", "prod").stdout == "prod is removed.\n"
    assert cli.run("profile", "list").stdout == "  dev  https://dev.example\n"


def test_the_profile_option_chooses_the_deployment(cli: CommandLine, served: ApiServer) -> None:
    cli.run("profile", "add", "prod", "https://prod.example", stdin="key-of-prod")
    cli.run("profile", "add", "dev", served.api, stdin=KEY)
    assert cli.run("models", "--profile", "dev").returncode == 0
    assert cli.run("models", IMAGEGEN_PROFILE="dev").returncode == 0


def test_hints_name_the_profile_of_the_command(cli: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/generate", document(202, server.job("job_queued"), retry_after="60"))
    server.on("GET", f"/jobs/{server.job()['id']}", document(200, server.job("job_running"), retry_after="60"))
    cli.run("profile", "add", "dev", server.api, stdin=KEY)
    done = cli.times_out(server, f"/v1/jobs/{server.job()['id']}", "generate", "x", "--profile", "dev")
    assert (done.returncode, done.stderr.count("--profile dev")) == (9, 2)


def test_an_existing_profile_is_kept_unless_it_is_to_be_replaced(cli: CommandLine) -> None:
    cli.run("profile", "add", "dev", "https://dev.example", stdin="key-of-dev")
    done = cli.run("profile", "add", "dev", "https://other.example", "--json", stdin=KEY)
    assert (done.returncode, json.loads(done.stderr)["code"]) == (2, "usage")
    assert cli.run("profile", "add", "dev", "https://other.example", "--replace", stdin=KEY).returncode == 0
    assert "https://other.example" in cli.run("profile", "list").stdout


@pytest.mark.parametrize(
    ("name", "url", "key"),
    [("a b", "https://a.example", KEY), ("dev", "http://a.example", KEY), ("dev", "https://a.example", ""),
     ("dev", "https://a.example", f"{KEY} {KEY}")],
)  # fmt: skip
def test_what_cannot_be_a_deployment_is_not_kept(cli: CommandLine, name: str, url: str, key: str) -> None:
    assert cli.run("profile", "add", name, url, "--json", stdin=key).returncode == 2
    assert cli.files() == []


def test_the_local_stack_of_a_checkout_is_called(cli: CommandLine, served: ApiServer) -> None:
    (cli.folder / ".local").mkdir()
    endpoint = {"base_url": served.api, "api_key": KEY, "webhook_secret": ""}
    (cli.folder / ".local" / "endpoint.json").write_text(json.dumps(endpoint))
    assert cli.run("models", HTTP_PROXY="http://127.0.0.1:1").returncode == 0  # no proxy reaches this machine
