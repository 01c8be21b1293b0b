"""template.yaml as CloudFormation would deploy it: packaged, then translated by SAM's own translator."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

Template = dict[str, Any]

IMAGE_URI = "000000000000.dkr.ecr.us-east-1.amazonaws.com/local:latest"
"""Satisfies the translator; no image is built or pulled here."""


@dataclass(frozen=True)
class S3Object:
    """Where the functions' zip lies."""

    bucket: str
    key: str


def translate(path: Path, code: S3Object, region: str, parameters: Mapping[str, str]) -> Template:
    """The template at `path` in plain CloudFormation. Raises samtranslator's InvalidDocumentException.

    `parameters` are the ones that the stack is created with: SAM writes some of their values into what it makes.
    """
    source = _packaged(yaml_parse(path.read_text()), code)
    logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it warns about feature toggles nobody set
    with _region(region):
        translated: Template = transform(source, dict(parameters), _NoManagedPolicies())
    return translated


def _packaged(template: Template, code: S3Object) -> Template:
    """What `sam package` does: every piece of code is an address instead of a folder."""
    packaged = copy.deepcopy(template)
    address = {"Bucket": code.bucket, "Key": code.key}
    for resource in packaged["Resources"].values():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::Serverless::LayerVersion":
                properties["ContentUri"] = address
            case "AWS::Serverless::Function" if properties.get("PackageType") == "Image":
                properties["ImageUri"] = IMAGE_URI
            case "AWS::Serverless::Function":
                properties["CodeUri"] = address
    return packaged


class _NoManagedPolicies:
    """Managed policies named by their ARN need no look-up; the translator asks IAM for the others."""

    def load(self) -> dict[str, str]:
        return {}


@contextmanager
def _region(region: str) -> Iterator[None]:
    """The translator reads the region from the environment only."""
    before = os.environ.get("AWS_DEFAULT_REGION")
    os.environ["AWS_DEFAULT_REGION"] = region
    try:
        yield
    finally:
        if before is None:
            del os.environ["AWS_DEFAULT_REGION"]
        else:
            os.environ["AWS_DEFAULT_REGION"] = before
