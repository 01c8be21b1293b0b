"""S3 as a container, at one address for the functions and at another for the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import docker
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from tools.local.process import HOST

PORT = "5000/tcp"
IMAGE = "imagegen-test-s3"


@dataclass(frozen=True)
class S3:
    """The same server as containers reach it, and as this machine does."""

    inside: str
    outside: str
    bucket: str

    def get(self, presigned_url: str) -> bytes:
        """What a URL signed inside points to. moto checks no signature, so the host may be another one."""
        answer = requests.get(presigned_url.replace(self.inside, self.outside), timeout=30)
        answer.raise_for_status()
        return answer.content


@contextmanager
def s3_server(engine: docker.DockerClient, bucket: str) -> Iterator[S3]:
    engine.images.build(
        path=str(Path(__file__).parent),
        dockerfile="s3.Dockerfile",
        tag=IMAGE,
        buildargs={"MOTO": version("moto")},
        rm=True,
    )
    container = engine.containers.run(IMAGE, detach=True, ports={PORT: (HOST, None)})
    try:
        container.reload()
        network = container.attrs["NetworkSettings"]
        (address,) = [settings["IPAddress"] for settings in network["Networks"].values()]
        outside = f"http://{HOST}:{network['Ports'][PORT][0]['HostPort']}"
        _create(f"{outside}/{bucket}")
        yield S3(f"http://{address}:5000", outside, bucket)
    finally:
        container.remove(force=True)


def _create(bucket: str) -> None:
    """Once the server answers, which takes it a second or two."""
    with requests.Session() as session:
        retry = Retry(total=10, backoff_factor=0.2, allowed_methods=None)
        session.mount("http://", HTTPAdapter(max_retries=retry))
        session.put(bucket, timeout=30).raise_for_status()
