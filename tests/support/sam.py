"""The project built and run by the SAM command line, as a developer with Docker would."""

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
"""Built into the image: `make test-container ENGINES=openvino,torch`."""

BUILD_SECONDS = 1800
ANSWER_SECONDS = 300


@dataclass(frozen=True)
class Sam:
    """`sam local` with one template."""

    template: Path

    def invoke(self, function: str, event: Path) -> dict[str, Any]:
        """The function's answer to one event, from a container of its own."""
        done = _sam(
            "local", "invoke", function, "--event", str(event), "--template", str(self.template), seconds=ANSWER_SECONDS
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    @contextmanager
    def start_api(self, log: Path) -> Iterator[str]:
        """The base URL of the template's API. Containers stay for the next request, as warm ones do in Lambda."""
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
    """The built template. Raises AssertionError with SAM's output where the build fails."""
    index = os.environ.get("TORCH_INDEX")
    overrides = [f"Engines={ENGINES}", *([f"TorchIndex={index}"] if index else [])]
    _sam("build", "--build-dir", str(folder), "--parameter-overrides", *overrides, seconds=BUILD_SECONDS)
    template: dict[str, Any] = yaml_parse((folder / "template.yaml").read_text())
    return template


def for_this_machine(built: dict[str, Any], variables: dict[str, str]) -> dict[str, Any]:
    """The built template with more variables (SAM passes only those a template names), and without zip functions.

    Zip functions run in the container image, which holds all they need. Not covered, therefore: the zip and its layer
    on AWS's own Python image, which would have to be pulled.
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


def _sam(*arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(COMMAND), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
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
