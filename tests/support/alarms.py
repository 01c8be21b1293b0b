"""The alarms of the template."""

from __future__ import annotations

from typing import Any

from tests.support.evaluate import Resources


def alarms(resources: Resources) -> dict[str, Any]:
    """Return the properties of each alarm by its name without the stack's."""
    found = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    return {each["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-"): each for each in found}
