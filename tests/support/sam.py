"""Build and run the project with the AWS SAM CLI, as a developer with Docker would."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from tools.local.process import HOST, ROOT, free_port

COMMAND = ROOT / ".local" / "sam" / "bin" / "sam"
IMAGE = "generator:latest"
"""SAM names a function's image after the function."""
ENGINES = os.environ.get("ENGINES", "openvino")
"""Engines in the image: `make test-container ENGINES=openvino,torch`."""

BUILD_TIMEOUT_SECONDS = 1800
REQUEST_TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class Sam:
    """`sam local` with one template."""

    template: Path

    def invoke(self, function: str, event: Path) -> dict[str, Any]:
        """Run the function on one event in a new container and return its result."""
        arguments = ["local", "invoke", function, "--event", str(event), "--template", str(self.template)]
        result: dict[str, Any] = json.loads(_sam(*arguments, timeout_s=REQUEST_TIMEOUT_SECONDS).stdout)
        return result

    @contextmanager
    def start_api(self, log: Path) -> Iterator[str]:
        """Yield the base URL of the template's API. Containers are kept for the next request, as on Lambda."""
        port = free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    str(COMMAND), "local", "start-api", "--template", str(self.template),
                    "--host", HOST, "--port", str(port), "--warm-containers", "LAZY",
                ],
                cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                _wait_for(port, process, log)
                yield f"http://{HOST}:{port}"
            finally:
                process.terminate()  # SAM removes its containers
                process.wait(60)


def build(folder: Path) -> dict[str, Any]:
    """Run `sam build` and return the built template. Raises AssertionError with SAM's output if the build fails."""
    index = os.environ.get("TORCH_INDEX")
    overrides = [f"Engines={ENGINES}", *([f"TorchIndex={index}"] if index else [])]
    _sam("build", "--build-dir", str(folder), "--parameter-overrides", *overrides, timeout_s=BUILD_TIMEOUT_SECONDS)
    template: dict[str, Any] = yaml_parse((folder / "template.yaml").read_text())
    return template


def for_this_machine(built: dict[str, Any], variables: dict[str, str]) -> dict[str, Any]:
    """Add `variables` to the built template's environment, run its zip functions from the image, and return it.

    SAM passes only variables that the template declares. The image has all packages that zip functions need, so AWS's
    own Python image does not have to be pulled. Not covered, therefore: the zip and its layer on that image.
    """
    built["Globals"]["Function"]["Environment"]["Variables"].update(variables)
    for resource in built["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function" and properties.get("PackageType") != "Image":
            for name in ("CodeUri", "Runtime", "Layers"):
                del properties[name]
            properties |= {
                "PackageType": "Image",
                "ImageUri": IMAGE,
                "ImageConfig": {"Command": [properties.pop("Handler")]},
            }
    return built


def _sam(*arguments: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(COMMAND), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, f"sam {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.2)
    pytest.fail(f"sam local start-api did not start:\n{log.read_text()}")
