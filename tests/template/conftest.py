from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.support.evaluate import Resources, Template, evaluate
from tools.local.template import S3Object, translate

ROOT: Final = Path(__file__).parents[2]
CODE: Final = S3Object("code", "function.zip")
REGION: Final = "us-east-1"


def translated(**parameters: str) -> Template:
    """template.yaml in plain CloudFormation, for the few parameters that SAM itself reads."""
    return translate(ROOT / "template.yaml", CODE, REGION, parameters)


@pytest.fixture(scope="session")
def template() -> Template:
    """template.yaml in plain CloudFormation."""
    return translated()


@pytest.fixture(scope="session")
def resources(template: Template) -> Resources:
    """What a deployment with every parameter at its default creates."""
    return evaluate(template)
