from __future__ import annotations

import os
from pathlib import Path

import boto3
import pytest

from tools.faults.ministack import LocalAws
from tools.local import process
from tools.local.aws_environment import NO_AWS_FILES, aws_environment
from tools.local.process import ACCESS_KEY, REGION


def test_the_developers_aws_configuration_does_not_reach_the_stack_and_is_restored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = {
        "AWS_PROFILE": "no-such-profile",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_REGION": "eu-west-1",
        "AWS_SESSION_TOKEN": "a token of a real account",
        "AWS_USE_FIPS_ENDPOINT": "true",
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)

    with aws_environment(REGION):
        assert not own.keys() & os.environ.keys()
        session = boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=ACCESS_KEY)
        assert session.region_name == REGION
        credentials = session.get_credentials()
        assert credentials
        assert credentials.token is None

    assert dict(os.environ) == before


@pytest.mark.parametrize("name", NO_AWS_FILES.values())
def test_nobody_can_create_the_files_that_the_sdks_are_told_to_read(name: str) -> None:
    with pytest.raises(NotADirectoryError):
        Path(name).write_text("not a configuration")
    with pytest.raises(FileExistsError):
        Path(name).parent.mkdir()


@pytest.mark.parametrize(
    "environment",
    [process._environment(4566, Path()), LocalAws("http://127.0.0.1:4566").variables, dict(os.environ)],
    ids=["local stack", "fault harness", "tests"],
)
def test_every_environment_of_ours_reads_no_configuration_file(environment: dict[str, str]) -> None:
    """Not even the null device: root can replace it by a file, and every AWS client then fails on its content."""
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        assert not Path(environment[name]).exists()
