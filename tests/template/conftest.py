"""The translated template and its resources."""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.evaluate import Resources, Template, evaluate
from tools.local.process import ROOT
from tools.local.template import S3Object, translate

CODE: Final = S3Object("code", "function.zip")
REGION: Final = "us-east-1"


def translated(**parameters: str) -> Template:
    """Return template.yaml as plain CloudFormation. SAM itself reads a few of the parameters."""
    return translate(ROOT / "template.yaml", CODE, REGION, parameters)


@pytest.fixture(scope="session")
def template() -> Template:
    """template.yaml as plain CloudFormation."""
    return translated()


@pytest.fixture(scope="session")
def resources(template: Template) -> Resources:
    """Resources of a deployment with default parameters."""
    return evaluate(template)
