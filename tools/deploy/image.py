"""Refuse to deploy an image that lacks what its functions are configured to use (`make deploy`, after the build)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import docker
from docker.errors import DockerException, ImageNotFound, NotFound
from samtranslator.yaml_helper import yaml_parse

from tools.deploy.parameters import ROOT, ParameterError, arguments, resolve

_MODELS: Final = "/opt/models"
_ARCHITECTURES: Final = {"amd64": "x86_64", "arm64": "arm64"}
"""Docker's names, and Lambda's."""


def built_image(build: Path) -> str | None:
    """Return the tag of the image that `sam build` put into the folder `build`, or None if it has built nothing."""
    template = build / "template.yaml"
    if not template.exists():
        return None
    tag: str = yaml_parse(template.read_text())["Resources"]["Generator"]["Properties"]["ImageUri"]
    return tag


def differences(engine: docker.DockerClient, tag: str, parameters: Mapping[str, str]) -> list[str]:
    """Return how the image `tag` differs from the parameters. Raises docker's DockerException."""
    image = engine.images.get(tag)
    found = _ARCHITECTURES.get(image.attrs["Architecture"], image.attrs["Architecture"])
    different = [] if found == parameters["Architecture"] else [f"it is built for {found}"]
    container = engine.containers.create(image, command=["none"])  # never started: only its files are read
    try:
        for each in parameters["Engines"].split(","):
            path = f"{_MODELS}/{parameters['Model']}/{each}/manifest.json"
            if not _exists(container, path):
                different.append(f"{path} is missing")
    finally:
        container.remove()
    return different


def _exists(container: Any, path: str) -> bool:
    try:
        container.get_archive(path)
    except NotFound:
        return False
    return True


def main() -> None:
    parsed = arguments(__doc__).parse_args()
    try:
        parameters = {name: each.value for name, each in resolve(parsed.environment, parsed.given).items()}
    except ParameterError as error:
        sys.exit(str(error))
    tag = built_image(ROOT / ".aws-sam" / "build")
    if tag is None:
        print("Not checked: the image, because .aws-sam/build has no template.", file=sys.stderr)
        return
    try:
        different = differences(docker.from_env(), tag, parameters)
    except ImageNotFound:
        different = ["it does not exist"]
    except DockerException as error:  # without an engine, `sam deploy` cannot upload an image either
        print(f"Not checked: the image {tag}: {error}", file=sys.stderr)
        return
    if different:
        wanted = ", ".join(f"{name}={parameters[name]}" for name in ("Model", "Engines", "Architecture"))
        sys.exit(f"Nothing was deployed: the image {tag} is not what {wanted} needs: {'; '.join(different)}.")


if __name__ == "__main__":
    main()
