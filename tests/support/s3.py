"""A moto server in a container; functions and tests reach it at different addresses."""

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
    """Addresses of one server, and its bucket."""

    inside: str
    """URL for containers."""
    outside: str
    """URL for this machine."""
    bucket: str

    def get(self, presigned_url: str) -> bytes:
        """Download a URL that a function signed. moto does not verify signatures, so the host can be replaced.

        Raises requests.HTTPError on an error status.
        """
        response = requests.get(presigned_url.replace(self.inside, self.outside), timeout=30)
        response.raise_for_status()
        return response.content


@contextmanager
def s3_server(engine: docker.DockerClient, bucket: str) -> Iterator[S3]:
    """Run the server with an empty bucket, and remove its container on exit."""
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
        _create_bucket(f"{outside}/{bucket}")
        yield S3(f"http://{address}:5000", outside, bucket)
    finally:
        container.remove(force=True)


def _create_bucket(url: str) -> None:
    """Retry until the server answers; it takes a second or two to start."""
    with requests.Session() as session:
        retry = Retry(total=10, backoff_factor=0.2, allowed_methods=None)
        session.mount("http://", HTTPAdapter(max_retries=retry))
        session.put(url, timeout=30).raise_for_status()
