from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from imagegen_cli.credential import api_key, token
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure
from imagegen_cli.profile import Profile
from imagegen_cli.profile_file import ProfileFile, Profiles

PROD = Profile("prod", "https://a.example/v1", api_key("key-of-prod"))
DEV = Profile("dev", "https://b.example/v1", api_key("key-of-dev"))


@pytest.fixture
def file(tmp_path: Path) -> ProfileFile:
    return ProfileFile(tmp_path / "config" / "imagegen" / "config.toml")


def write(file: ProfileFile, text: str, mode: int = 0o600) -> None:
    file.path.parent.mkdir(parents=True)
    file.path.write_text(text)
    file.path.chmod(mode)


def test_without_a_file_there_are_no_profiles(file: ProfileFile) -> None:
    assert file.read() == Profiles(None, {})


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_owner_may_read_a_new_file(file: ProfileFile, umask: int) -> None:
    before = os.umask(umask)
    try:
        file.add(PROD)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.path.parent.iterdir()] == ["config.toml"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_may_read_is_refused_with_the_way_out(file: ProfileFile, mode: int) -> None:
    write(file, "", mode)
    with pytest.raises(Failure, match=f"chmod 600 {file.path}") as raised:
        file.read()
    assert raised.value.exit_code is ExitCode.USAGE


def test_the_first_profile_is_selected_until_another_is(file: ProfileFile) -> None:
    file.add(PROD)
    file.add(DEV)
    assert file.read() == Profiles("prod", {"prod": PROD, "dev": DEV})
    file.select("dev")
    assert file.read().selected == "dev"
    file.remove("dev")
    assert file.read() == Profiles(None, {"prod": PROD})
    file.remove("prod")
    assert file.read() == Profiles(None, {})


def test_a_change_keeps_comments_and_what_a_later_version_wrote(file: ProfileFile) -> None:
    kept = """# mine
later = 1
selected = "prod"

[profiles.prod] # work
url = "https://a.example/v1"
api_key = "k"
region = "eu"
"""
    write(file, kept)
    file.add(DEV)
    assert file.path.read_text().startswith(kept)
    file.remove("dev")
    assert file.path.read_text().strip() == kept.strip()


def test_a_token_is_kept_and_replaces_a_key(file: ProfileFile) -> None:
    file.add(PROD)
    renewed = Profile("prod", "https://a.example/v1", token("a.b.c"))
    file.add(renewed)
    assert file.find("prod") == renewed
    assert "api_key" not in file.path.read_text()


def test_another_key_replaces_the_first(file: ProfileFile) -> None:
    file.add(PROD)
    file.add(Profile("prod", "https://c.example", api_key("new-key")))
    assert file.find("prod") == Profile("prod", "https://c.example", api_key("new-key"))


def test_an_existing_name_is_not_free_without_replace(file: ProfileFile) -> None:
    file.add(PROD)
    file.require_free("dev", replace=False)
    file.require_free("prod", replace=True)
    with pytest.raises(Failure, match="--replace"):
        file.require_free("prod", replace=False)


@pytest.mark.parametrize("change", [ProfileFile.find, ProfileFile.select, ProfileFile.remove])
def test_an_unknown_name_is_refused_with_those_that_exist(file: ProfileFile, change: object) -> None:
    assert callable(change)
    file.add(PROD)
    before = file.path.read_bytes()
    with pytest.raises(Failure, match=r"no profile 'nope'. It has: prod\."):
        change(file, "nope")
    assert file.path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("selected = ", "is not TOML"),
        ("[profiles.prod]\nurl = 1\napi_key = 'k'", "needs the strings url and either"),
        ("[profiles.prod]\nurl = 'https://a.example'", "needs the strings"),
        ("[profiles.prod]\nurl = 'https://a.example'\napi_key = 'k'\ntoken = 't'", "either api_key or token"),
        ("profiles.prod = 'x'", "needs the strings"),
        ("profiles = 3", "profiles a table"), ("selected = ['prod']", "selected must be a string"),
        ("[profiles.prod]\nurl = 'http://a.example'\napi_key = 'k'", "profile 'prod': the URL is not https"),
        ("[profiles.prod]\nurl = 'https://a.example'\napi_key = 'k k'", "profile 'prod': the API key is not"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_and_not_overwritten(file: ProfileFile, text: str, reason: str) -> None:
    write(file, text)
    for attempt in (file.read, lambda: file.add(DEV), lambda: file.remove("dev")):
        with pytest.raises(Failure, match=reason):
            attempt()
    assert file.path.read_text() == text


def test_a_file_that_is_not_text_is_refused(file: ProfileFile) -> None:
    write(file, "")
    file.path.write_bytes(b"\xff")
    with pytest.raises(Failure, match="is not UTF-8"):
        file.read()


def test_a_selected_profile_that_does_not_exist_is_none(file: ProfileFile) -> None:
    write(file, "selected = 'gone'")
    assert file.read() == Profiles(None, {})


def test_a_folder_that_is_a_file_is_said(file: ProfileFile) -> None:
    file.path.parents[1].write_text("in the way")
    with pytest.raises(Failure, match="cannot be read: Not a directory") as raised:
        file.add(PROD)
    assert raised.value.exit_code is ExitCode.USAGE
