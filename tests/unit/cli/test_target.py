from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from imagegen_cli.credential import api_key, token
from imagegen_cli.environment import Environment, read_environment
from imagegen_cli.failure import Failure
from imagegen_cli.profile import Profile
from imagegen_cli.profile_file import ProfileFile
from imagegen_cli.target import target

PROD = Profile("prod", "https://a.example", api_key("key-of-prod"))
DEV = Profile("dev", "https://b.example", api_key("key-of-dev"))
LOCAL = {"base_url": "http://127.0.0.1:4599/v1", "api_key": "key-of-local", "webhook_secret": "whsec_x"}


@pytest.fixture
def empty(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "config.toml")


@pytest.fixture
def filled(empty: Environment) -> Environment:
    ProfileFile(empty.config_file).add(PROD)
    ProfileFile(empty.config_file).add(DEV)
    return empty


def serve(folder: Path, document: object = LOCAL) -> None:
    (folder / ".local").mkdir()
    (folder / ".local" / "endpoint.json").write_text(json.dumps(document))


def variables(environment: Environment, **given: str) -> Environment:
    return replace(read_environment(given), config_file=environment.config_file)


def test_the_option_comes_before_the_variables(filled: Environment, tmp_path: Path) -> None:
    given = variables(filled, IMAGEGEN_URL="https://c.example", IMAGEGEN_API_KEY="k", IMAGEGEN_PROFILE="prod")
    assert target("dev", given, tmp_path) == DEV


def test_address_and_key_come_before_a_profile(filled: Environment, tmp_path: Path) -> None:
    given = variables(filled, IMAGEGEN_URL="https://c.example/", IMAGEGEN_API_KEY="k", IMAGEGEN_PROFILE="dev")
    assert target(None, given, tmp_path) == Profile(None, "https://c.example", api_key("k"))


def test_a_named_profile_comes_before_the_selected_one(filled: Environment, tmp_path: Path) -> None:
    assert target(None, variables(filled, IMAGEGEN_PROFILE="dev"), tmp_path) == DEV


def test_the_selected_profile_comes_before_the_local_stack(filled: Environment, tmp_path: Path) -> None:
    serve(tmp_path)
    assert target(None, filled, tmp_path) == PROD


def test_empty_variables_count_as_unset(filled: Environment, tmp_path: Path) -> None:
    given = variables(filled, IMAGEGEN_URL="", IMAGEGEN_API_KEY="", IMAGEGEN_PROFILE="")
    assert target(None, given, tmp_path) == PROD


def test_the_local_stack_of_the_checkout_is_the_last(empty: Environment, tmp_path: Path) -> None:
    serve(tmp_path)
    (tmp_path / "docs" / "images").mkdir(parents=True)
    found = target(None, empty, tmp_path / "docs" / "images")
    assert (found.url, found.credential) == ("http://127.0.0.1:4599/v1", api_key("key-of-local"))


@pytest.mark.parametrize(
    "document",
    [LOCAL | {"base_url": "http://images.example.com"}, LOCAL | {"base_url": "https://a.example"}, {}, [], 1],
)
def test_a_file_in_a_folder_chooses_no_other_machine(empty: Environment, tmp_path: Path, document: object) -> None:
    serve(tmp_path, document)
    with pytest.raises(Failure, match="No deployment is configured"):
        target(None, empty, tmp_path)


def test_with_nothing_the_ways_out_are_named(empty: Environment, tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"(?s)imagegen profile add.*IMAGEGEN_URL.*make serve"):
        target(None, empty, tmp_path)


@pytest.mark.parametrize(
    ("given", "missing"), [("IMAGEGEN_URL", "IMAGEGEN_API_KEY"), ("IMAGEGEN_API_KEY", "IMAGEGEN_URL")]
)
def test_half_a_deployment_is_refused(filled: Environment, tmp_path: Path, given: str, missing: str) -> None:
    with pytest.raises(Failure, match=f"{given} is set, but {missing} is not"):
        target(None, variables(filled, **{given: "https://c.example"}), tmp_path)


def test_a_token_is_another_credential(filled: Environment, tmp_path: Path) -> None:
    given = variables(filled, IMAGEGEN_URL="https://c.example", IMAGEGEN_TOKEN="a.b.c")
    assert target(None, given, tmp_path).credential == token("a.b.c")
    with pytest.raises(Failure, match="IMAGEGEN_TOKEN is set, but IMAGEGEN_URL is not"):
        target(None, variables(filled, IMAGEGEN_TOKEN="a.b.c"), tmp_path)


def test_two_credentials_are_refused(filled: Environment, tmp_path: Path) -> None:
    given = variables(filled, IMAGEGEN_URL="https://c.example", IMAGEGEN_TOKEN="a.b.c", IMAGEGEN_API_KEY="k")
    with pytest.raises(Failure, match="IMAGEGEN_API_KEY and IMAGEGEN_TOKEN are set") as raised:
        target(None, given, tmp_path)
    assert "a.b.c" not in raised.value.text()


def test_profiles_are_under_the_xdg_folder() -> None:
    assert read_environment({"XDG_CONFIG_HOME": "/x"}).config_file == Path("/x/imagegen/config.toml")
    home = Path.home() / ".config" / "imagegen" / "config.toml"
    assert read_environment({}).config_file == read_environment({"XDG_CONFIG_HOME": "relative"}).config_file == home


def test_the_key_is_not_in_the_environment_s_representation() -> None:
    assert "secret" not in repr(read_environment({"IMAGEGEN_API_KEY": "secret", "IMAGEGEN_TOKEN": "secret"}))
