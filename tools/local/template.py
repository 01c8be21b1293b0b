"""Package template.yaml and translate it to plain CloudFormation with SAM's own translator."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from tools.local.aws_environment import aws_environment

Template = dict[str, Any]

IMAGE_URI = "000000000000.dkr.ecr.us-east-1.amazonaws.com/local:latest"
"""Placeholder that the translator requires; no image is built or pulled."""


@dataclass(frozen=True)
class S3Object:
    """S3 location of the functions' zip."""

    bucket: str
    key: str


def translate(path: Path, code: S3Object, region: str, parameters: Mapping[str, str]) -> Template:
    """Return the template at `path` as plain CloudFormation. Raises samtranslator's InvalidDocumentException.

    `parameters` must be the ones that the stack is created with: SAM copies some of their values into its output.
    """
    source = _packaged(yaml_parse(path.read_text()), code)
    logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it warns about feature toggles that are not set
    with aws_environment(region):
        translated: Template = transform(source, dict(parameters), _NoManagedPolicies())
    return translated


def _packaged(template: Template, code: S3Object) -> Template:
    """Replace local code folders with S3 locations, as `sam package` does."""
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
    """Avoids the translator's IAM call: the template names managed policies by ARN, which need no lookup."""

    def load(self) -> dict[str, str]:
        return {}
