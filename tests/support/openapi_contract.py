"""Judges responses and webhooks by the OpenAPI document, so that the document cannot claim what is not so.

Stricter than a client: a member that the document does not have is an error, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from jsonschema import Draft202012Validator

from tools import openapi

Json = dict[str, Any]
PROBLEM: Final = "application/problem+json"


class Contract:
    """One OpenAPI document."""

    def __init__(self, document: Json):
        self._document = _closed(document)
        self._paths = {
            re.compile(re.sub(r"{\w+}", "[^/]+", path)): operations for path, operations in document["paths"].items()
        }

    def operation(self, method: str, path: str) -> Json | None:
        """The operation, or None: the document has no other path, no HEAD or OPTIONS, and no method that is 405."""
        for pattern, operations in self._paths.items():
            if pattern.fullmatch(path):
                operation: Json | None = operations.get(method.lower())
                return operation
        return None

    def check(self, method: str, path: str, status: int, headers: Mapping[str, str], body: str) -> None:
        """Assert that the document describes the response: its status, headers, media type, schema and error code."""
        operation = self.operation(method, path)
        if operation is None:
            if status >= 400 and body:
                self._validate("Problem", json.loads(body))
            return
        name = f"{operation['operationId']}: {status}"
        response = operation["responses"].get(str(status))
        assert response, f"{name} is not documented"
        self._check_headers(name, response, {header.lower() for header in headers})
        if "content" not in response:
            assert not body, f"{name} has a body"
            return
        media_type = headers["content-type"].split(";")[0]
        assert media_type in response["content"], name
        content = response["content"][media_type]
        if "schema" not in content:
            return  # a file
        value = json.loads(body)
        self._validate(content["schema"]["$ref"].rsplit("/", 1)[1], value)
        if media_type == PROBLEM:
            assert value["code"] in content["examples"], f"{name} {value['code']} is not documented"

    def check_webhook(self, headers: Mapping[str, str], event: Json) -> None:
        """Assert that the document describes the webhook: its headers and its body."""
        operation = self._document["webhooks"][event["type"]]["post"]
        names = {parameter["name"] for parameter in operation["parameters"]}
        assert names <= {name.lower() for name in headers}
        self._validate("JobEvent", event)

    def validate_examples(self) -> int:
        """Assert that every example fits the schema of each place that refers to it, and return their number."""
        found = list(self._media_types(self._document))
        for content in found:
            for example in content["examples"].values():
                value = self._resolve(example)["value"]
                self._validate(content["schema"]["$ref"].rsplit("/", 1)[1], value)
        return sum(len(content["examples"]) for content in found)

    def _check_headers(self, name: str, response: Json, sent: set[str]) -> None:
        documented = {header.lower(): self._resolve(each) for header, each in response.get("headers", {}).items()}
        missing = {header for header, each in documented.items() if each.get("required")} - sent
        assert not missing, f"{name} lacks {missing}"
        known = {header.lower() for header in self._document["components"]["headers"]}
        assert sent & known <= set(documented), f"{name} has undocumented {sent & known - set(documented)}"

    def _resolve(self, value: Json) -> Json:
        if "$ref" not in value:
            return value
        _, _, section, name = value["$ref"].split("/")
        found: Json = self._document["components"][section][name]
        return found

    def _validate(self, schema: str, value: object) -> None:
        root = {"$ref": f"#/components/schemas/{schema}", "components": self._document["components"]}
        Draft202012Validator(root, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)

    def _media_types(self, value: object) -> list[Json]:
        """Every media type object with examples."""
        if isinstance(value, list):
            return [found for each in value for found in self._media_types(each)]
        if not isinstance(value, dict):
            return []
        if "schema" in value and "examples" in value:
            return [value]
        return [found for each in value.values() for found in self._media_types(each)]


def _closed(value: Any) -> Any:
    """The document with every object closed that does not say what other members it may have."""
    if isinstance(value, list):
        return [_closed(each) for each in value]
    if not isinstance(value, dict):
        return value
    closed = {name: _closed(each) for name, each in value.items()}
    if value.get("type") == "object" and "properties" in value:
        closed.setdefault("additionalProperties", False)
    return closed


@cache
def contract() -> Contract:
    """The contract of a deployment with the default settings."""
    return Contract(json.loads(openapi.FILE.read_text()))


def checked(event: object, answer: dict[str, Any]) -> dict[str, Any]:
    """Return a function's answer, after a check if the event is that of a REST API."""
    if isinstance(event, dict) and "resource" in event and "multiValueHeaders" in answer:
        headers = {name.lower(): values[0] for name, values in answer["multiValueHeaders"].items()}
        contract().check(event["httpMethod"], event["resource"], answer["statusCode"], headers, answer["body"])
    return answer


def check_response(base_url: str) -> Any:
    """Return a hook for requests that checks each response of the API at the URL."""

    def check(response: requests.Response, *_: object, **__: object) -> None:
        if response.url.startswith(f"{base_url}/") and response.request.method:
            path = urlsplit(response.url.removeprefix(base_url)).path
            contract().check(response.request.method, path, response.status_code, response.headers, response.text)

    return check
