"""Resolve a translated template's parameters and conditions, as CloudFormation would.

Covered: conditions, Ref and Fn::Sub of parameters, Fn::Split, Fn::If, AWS::NoValue. Not covered: values that only AWS
knows, such as a resource's ARN. A reference to a resource is left unchanged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

Template = dict[str, Any]
Resources = dict[str, Any]

_NO_VALUE: Final = object()


def evaluate(template: Template, **parameters: str) -> Resources:
    """Return the resources that a deployment creates; parameters not given have their defaults."""
    deployment = _Deployment(template.get("Conditions", {}), _values(template, parameters))
    return {
        name: deployment.value(resource)
        for name, resource in template["Resources"].items()
        if "Condition" not in resource or deployment.holds({"Condition": resource["Condition"]})
    }


def broken_rules(template: Template, **parameters: str) -> list[str]:
    """Return the descriptions of the rule assertions that fail with these parameters."""
    deployment = _Deployment({}, _values(template, parameters))
    return [
        assertion["AssertDescription"]
        for rule in template["Rules"].values()
        if deployment.holds(rule["RuleCondition"])
        for assertion in rule["Assertions"]
        if not deployment.holds(assertion["Assert"])
    ]


def _values(template: Template, parameters: dict[str, str]) -> dict[str, str]:
    defaults = {name: str(each["Default"]) for name, each in template["Parameters"].items()}
    unknown = parameters.keys() - defaults.keys()
    assert not unknown, f"not parameters of the template: {unknown}"
    return defaults | parameters


@dataclass(frozen=True)
class _Deployment:
    conditions: dict[str, Any]
    parameters: dict[str, str]

    def holds(self, condition: Any) -> bool:
        """Return whether a condition function is true. Raises NotImplementedError for an unsupported function."""
        ((function, argument),) = condition.items()
        match function:
            case "Condition":
                return self.holds(self.conditions[argument])
            case "Fn::Equals":
                left, right = (self.value(each) for each in argument)
                return bool(left == right)
            case "Fn::Not":
                return not self.holds(argument[0])
            case "Fn::And":
                return all(self.holds(each) for each in argument)
            case "Fn::Or":
                return any(self.holds(each) for each in argument)
        raise NotImplementedError(function)

    def value(self, node: Any) -> Any:
        """Return `node` with parameters and Fn::If resolved, and AWS::NoValue entries removed."""
        match node:
            case {"Ref": "AWS::NoValue"}:
                return _NO_VALUE
            case {"Ref": name} if name in self.parameters:
                return self.parameters[name]
            case {"Fn::If": [condition, yes, no]}:
                return self.value(yes if self.holds({"Condition": condition}) else no)
            case {"Fn::Sub": str(text)}:
                return self._substituted(text, {})
            case {"Fn::Sub": [str(text), dict(variables)]}:
                values = {name: self.value(each) for name, each in variables.items()}
                known = all(isinstance(each, str) for each in values.values())
                return self._substituted(text, values) if known else {"Fn::Sub": [text, values]}
            case {"Fn::Split": [str(separator), source]}:
                return str(self.value(source)).split(separator)
            case dict():
                values = {key: self.value(each) for key, each in node.items()}
                return {key: each for key, each in values.items() if each is not _NO_VALUE}
            case list():
                return [each for each in map(self.value, node) if each is not _NO_VALUE]
        return node

    def _substituted(self, text: str, variables: dict[str, str]) -> Any:
        """Return the text, as Fn::Sub if it still refers to a resource."""
        known = self.parameters | variables
        filled = re.sub(r"\$\{(\w+)\}", lambda match: known.get(match[1], match[0]), text)
        return {"Fn::Sub": filled} if "${" in filled else filled
