"""One build, one S3 server and one `sam local` per session; skips the tests if there is no container engine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import boto3
import docker
import pytest
from docker.errors import DockerException

from tests.support import sam as sam_cli
from tests.support.handlers import create_webhook_secret
from tests.support.s3 import S3, s3_server
from tests.support.sam import Sam
from tools.deploy import operators
from tools.local import job_resources

BUCKET = os.environ["BUCKET_NAME"]
"""Set in tests/conftest.py, like THREADS. `sam local` prefers this process's variables to the template's."""


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    if not sam_cli.COMMAND.exists():
        pytest.skip(f"{sam_cli.COMMAND} is missing: `make test-container` installs it")
    where = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    try:
        client = docker.from_env(timeout=sam_cli.BUILD_TIMEOUT_SECONDS)
        client.ping()
    except DockerException as error:
        pytest.skip(f"no container engine answers at {where}: start Docker or Podman, or set DOCKER_HOST ({error})")
    yield client
    client.close()


@pytest.fixture(scope="session")
def s3(engine: docker.DockerClient) -> Iterator[S3]:
    with s3_server(engine, BUCKET) as server:
        job_resources.make(server.outside)  # moto also serves DynamoDB, SQS and SSM
        create_webhook_secret(boto3.client("ssm", endpoint_url=server.outside))
        yield server


@pytest.fixture(scope="session")
def api_key(s3: S3) -> str:
    """A key that Authorizer accepts, made as `make operator-key` does."""
    clients = (boto3.client(service, endpoint_url=s3.outside) for service in ("dynamodb", "ssm"))
    return operators.new_key(operators.keys_of("imagegen", os.environ["TABLE_NAME"], *clients))


@pytest.fixture(scope="session")
def sam(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Sam:
    """`sam local` with the project's template, built and configured to use the S3 server."""
    folder = tmp_path_factory.mktemp("sam")
    template = folder / "template.json"
    variables = {
        "AWS_ENDPOINT_URL": s3.inside,
        "BUCKET_NAME": s3.bucket,
        "ENGINES": sam_cli.ENGINES,
        "THREADS": os.environ["THREADS"],
    }
    template.write_text(json.dumps(sam_cli.for_this_machine(sam_cli.build(folder / "build"), variables)))
    return Sam(template)
