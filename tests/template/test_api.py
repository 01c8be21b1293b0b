"""Routes, the authorizer, limits and gateway responses: SAM puts them into an OpenAPI body, which no linter checks."""

from __future__ import annotations

import json
import re
from typing import Any

import boto3
import pytest

from imagegen.api.body_size import MAX_BODY_BYTES
from imagegen.api.cors import EXPOSED_HEADERS
from imagegen.errors import AuthUnavailable, InvalidCredentials, ServiceError
from tests.support.evaluate import Resources, Template, evaluate
from tests.template.conftest import REGION, translated

ANY = "x-amazon-apigateway-any-method"
OPEN = {"/health", "/docs", "/openapi.json"}
KEYED = {
    "/generate", "/models", "/jobs", "/jobs/{job_id}", "/jobs/{job_id}/cancel", "/me", "/usage", "/report", "/uploads",
    "/verify",
    "/keys",
    "/keys/{key_id}", "/keys/{key_id}/rotate",
}  # fmt: skip
"""Routes that need a caller."""

GATEWAY_ERRORS = {
    "ACCESS_DENIED": (403, "forbidden_scope"),
    "API_CONFIGURATION_ERROR": (500, "internal_error"),
    "AUTHORIZER_CONFIGURATION_ERROR": (503, "auth_unavailable"),
    "AUTHORIZER_FAILURE": (503, "auth_unavailable"),
    "BAD_REQUEST_BODY": (400, "malformed_json"),
    "BAD_REQUEST_PARAMETERS": (422, "missing_field"),
    "DEFAULT_4XX": (400, "malformed_json"),
    "DEFAULT_5XX": (500, "internal_error"),
    "EXPIRED_TOKEN": (401, "invalid_token"),
    "INTEGRATION_FAILURE": (503, "overloaded"),
    "INTEGRATION_TIMEOUT": (504, "generation_timeout"),
    "INVALID_API_KEY": (401, "invalid_token"),
    "INVALID_SIGNATURE": (401, "invalid_token"),
    "MISSING_AUTHENTICATION_TOKEN": (404, "route_not_found"),
    "QUOTA_EXCEEDED": (429, "quota_exceeded"),
    "REQUEST_TOO_LARGE": (413, "payload_too_large"),
    "RESOURCE_NOT_FOUND": (404, "route_not_found"),
    "THROTTLED": (429, "rate_limited"),
    "UNAUTHORIZED": (401, "invalid_token"),
    "UNSUPPORTED_MEDIA_TYPE": (415, "unsupported_media_type"),
    "WAF_FILTERED": (403, "forbidden_scope"),
}

GATEWAY_FIELDS = {
    "unsupported_media_type": [("Content-Type", "unsupported_media_type")],
}
"""The header at fault, by the error's code."""


@pytest.fixture(scope="module")
def body(resources: Resources) -> Any:
    return resources["Gateway"]["Properties"]["Body"]


def needs_caller(operation: Any) -> bool:
    """Return whether the authorizer runs first. Nothing may need a key of the usage plan as well."""
    assert operation["security"] in ([{"Callers": []}], [{"NONE": []}])
    return {"Callers": []} in operation["security"]


def operation(body: Any, path: str, method: str) -> Any:
    """Return the operation that API Gateway runs: ANY covers the methods that have no operation of their own."""
    return body["paths"][path].get(method, body["paths"][path][ANY])


AUTHORIZER = {"Ref": "AuthorizerAliaslive"}


def permissions(resources: Resources) -> list[Any]:
    return [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Lambda::Permission"]


def target(operation: Any) -> str:
    return str(operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"])


def test_routes(body: Any) -> None:
    assert set(body["paths"]) == OPEN | KEYED


@pytest.mark.parametrize("method", ["get", "head", "post", "put", "patch", "delete"])
@pytest.mark.parametrize("path", sorted(OPEN | KEYED))
def test_the_authorizer_runs_exactly_on_keyed_routes(body: Any, path: str, method: str) -> None:
    assert needs_caller(operation(body, path, method)) == (path in KEYED)


def test_the_authorizer_gets_the_whole_request_and_nothing_is_cached(body: Any) -> None:
    """A header named as an identity source would be required, and a caller sends one of two."""
    (scheme,) = body["components"]["securitySchemes"].values()
    assert scheme["x-amazon-apigateway-authtype"] == "custom"
    authorizer = scheme["x-amazon-apigateway-authorizer"]
    assert (authorizer["type"], authorizer["authorizerResultTtlInSeconds"]) == ("request", 0)
    assert not authorizer.get("identitySource")
    assert authorizer["authorizerUri"]["Fn::Sub"][1] == {"__FunctionArn__": AUTHORIZER}


def test_api_gateway_may_invoke_the_authorizer(resources: Resources) -> None:
    (permission,) = [each for each in permissions(resources) if each["FunctionName"] == AUTHORIZER]
    assert permission["SourceArn"]["Fn::Sub"][0].endswith("${__ApiId__}/authorizers/*")


@pytest.mark.parametrize("path", sorted(OPEN | KEYED))
def test_preflight_needs_no_caller_and_runs_the_api_function(body: Any, path: str) -> None:
    preflight = operation(body, path, "options")
    assert not needs_caller(preflight)
    assert "${ApiAliaslive}" in target(preflight)


def test_every_operation_is_a_proxy(body: Any) -> None:
    operations = [each for path in body["paths"].values() for each in path.values()]
    assert {each["x-amazon-apigateway-integration"]["type"] for each in operations} == {"aws_proxy"}


def test_the_generators_routes_run_its_alias_and_other_routes_that_of_the_api_function(body: Any) -> None:
    generators = {"/generate", "/verify"}
    assert all("${GeneratorAliaslive}" in target(operation(body, path, "post")) for path in generators)
    others = (OPEN | KEYED) - generators
    assert all("${ApiAliaslive}" in target(operation(body, path, "get")) for path in others)


def test_api_gateway_may_invoke_every_operation(resources: Resources, body: Any) -> None:
    granted = {
        (str(each["FunctionName"]), each["SourceArn"]["Fn::Sub"][0].split("${__Stage__}/")[1])
        for each in permissions(resources)
        if each["FunctionName"] != AUTHORIZER
    }
    for path, operations in body["paths"].items():
        for method, each in operations.items():
            function = "GeneratorAliaslive" if "GeneratorAliaslive" in target(each) else "ApiAliaslive"
            verb = "*" if method == ANY else method.upper()
            assert (str({"Ref": function}), f"{verb}{re.sub('{.*?}', '*', path)}") in granted


def test_integration_timeout_is_a_second_longer_than_the_functions_setting(template: Template) -> None:
    def timeout(**parameters: str) -> Any:
        body = evaluate(template, **parameters)["Gateway"]["Properties"]["Body"]
        return operation(body, "/generate", "post")["x-amazon-apigateway-integration"]["timeoutInMillis"]

    assert timeout() == 29000  # the maximum without a quota increase
    assert timeout(GatewayTimeoutSeconds="120") == "120999"


def test_bodies_arrive_as_bytes_and_pictures_leave_as_bytes(resources: Resources, body: Any) -> None:
    assert resources["Gateway"]["Properties"]["BinaryMediaTypes"] == ["*~1*"]
    assert body["x-amazon-apigateway-binary-media-types"] == ["*/*"]


def test_api_is_regional(resources: Resources) -> None:
    assert resources["Gateway"]["Properties"]["EndpointConfiguration"]["Types"] == ["REGIONAL"]


def test_stage(template: Template) -> None:
    resources = evaluate(template, StageName="beta", StageRateLimit="3", StageBurstLimit="4")
    (stage,) = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::ApiGateway::Stage"]
    assert stage["StageName"] == "beta"
    assert stage["TracingEnabled"] is True
    assert stage["MethodSettings"] == [
        {
            "ResourcePath": "/*",
            "HttpMethod": "*",
            "ThrottlingRateLimit": "3",
            "ThrottlingBurstLimit": "4",
            "LoggingLevel": "OFF",
            "DataTraceEnabled": False,
        }
    ]


def test_the_usage_plan_lists_the_gateways_own_keys_and_limits_nothing() -> None:
    """Migrations read it. A limit in it would have no effect: no method needs a key of a plan."""
    resources = evaluate(translated())
    plan = resources["GatewayUsagePlan"]["Properties"]
    assert not {"Throttle", "Quota"} & plan.keys()
    assert plan["ApiStages"] == [{"ApiId": {"Ref": "Gateway"}, "Stage": {"Ref": "GatewayStage"}}]
    attached = resources["GatewayUsagePlanKey"]["Properties"]
    assert attached["UsagePlanId"] == {"Ref": "GatewayUsagePlan"}
    assert attached["KeyId"] == {"Ref": "GatewayApiKey"}


def test_access_log_is_json_without_caller_data(resources: Resources) -> None:
    setting = resources["GatewayStage"]["Properties"]["AccessLogSetting"]
    assert setting["DestinationArn"] == {"Fn::GetAtt": ["GatewayLogs", "Arn"]}
    assert json.loads(setting["Format"])["request_id"] == "$context.requestId"
    variables = set(re.findall(r"\$([\w.]+)", setting["Format"]))
    assert variables <= {
        "context.requestId",
        "context.requestTime",
        "context.httpMethod",
        "context.resourcePath",  # the route, not the requested path
        "context.status",
        "context.identity.sourceIp",
        "context.authorizer.tenant",
        "context.authorizer.principalId",  # the id of a key or a digest of a token's subject
        "context.responseLength",
        "context.responseLatency",
        "context.integrationLatency",
        "context.error.responseType",
        "context.xrayTraceId",
    }


def test_access_logs_wait_for_the_role_that_writes_them(template: Template) -> None:
    managed = evaluate(template)
    assert managed["GatewayAccount"]["Properties"]["CloudWatchRoleArn"] == {"Fn::GetAtt": ["GatewayAccountRole", "Arn"]}
    assert {"Ref": "GatewayAccount"} in [tag["Value"] for tag in managed["GatewayLogs"]["Properties"]["Tags"]]
    assert all(managed[name]["DeletionPolicy"] == "Retain" for name in ("GatewayAccount", "GatewayAccountRole"))
    assert not {"GatewayAccount", "GatewayAccountRole"} & evaluate(template, ManageApiGatewayAccount="false").keys()


def test_gateway_errors_cover_every_response_type(body: Any) -> None:
    known = boto3.client("apigateway", region_name=REGION).meta.service_model.shape_for("GatewayResponseType").enum
    assert set(GATEWAY_ERRORS) == set(body["x-amazon-apigateway-gateway-responses"]) == set(known)


@pytest.mark.parametrize("kind", GATEWAY_ERRORS)
def test_gateway_error_is_a_problem_document(body: Any, kind: str) -> None:
    response = body["x-amazon-apigateway-gateway-responses"][kind]
    status, code = GATEWAY_ERRORS[kind]
    (text,) = response["responseTemplates"].values()
    document = json.loads(text.replace("$context.requestId", "c6af9ac6-7b61"))
    assert "$" not in json.dumps(document), "requestId is the only variable that never needs escaping"
    assert document == {
        "type": f"urn:imagegen:error:{code}",
        "title": document["title"],
        "status": status,
        "detail": document["detail"],
        "instance": ServiceError().problem(request_id="c6af9ac6-7b61")["instance"],
        "code": code,
        "request_id": "c6af9ac6-7b61",
        "errors": document["errors"],
    }
    assert [(error["field"], error["code"]) for error in document["errors"]] == GATEWAY_FIELDS.get(code, [])
    assert all(error["message"] for error in document["errors"])
    assert document["title"]
    assert document["detail"]
    assert document.keys() == ServiceError().problem(request_id="").keys()
    assert response["statusCode"] == str(status)


@pytest.mark.parametrize("kind", GATEWAY_ERRORS)
def test_gateway_error_has_the_common_headers(body: Any, kind: str) -> None:
    parameters = body["x-amazon-apigateway-gateway-responses"][kind]["responseParameters"]
    headers = {name.removeprefix("gatewayresponse.header.").lower(): value for name, value in parameters.items()}
    assert headers["content-type"] == "'application/problem+json'"
    assert headers["access-control-allow-origin"] == "'*'"
    assert headers["access-control-expose-headers"] == f"'{','.join(EXPOSED_HEADERS)}'"
    challenge = headers.get("www-authenticate")
    schemes = f"'{InvalidCredentials().headers['WWW-Authenticate']}'"
    assert challenge == (schemes if GATEWAY_ERRORS[kind][0] == 401 else None)
    assert headers["x-request-id"] == "context.requestId"
    retries = GATEWAY_ERRORS[kind][0] in (429, 503)
    assert ("retry-after" in headers) == retries
    if retries:
        assert re.fullmatch(r"'[1-9]\d*'", headers["retry-after"])


def test_every_401_is_the_one_that_the_functions_send(body: Any) -> None:
    responses = body["x-amazon-apigateway-gateway-responses"]
    kinds = [kind for kind, (status, _) in GATEWAY_ERRORS.items() if status == 401]
    (text,) = {responses[kind]["responseTemplates"]["application/json"] for kind in kinds}
    assert json.loads(text) == InvalidCredentials().problem(request_id="$context.requestId")


def test_an_authorizer_that_fails_is_asked_again_when_it_asks_its_issuer_again(body: Any) -> None:
    for kind in ("AUTHORIZER_FAILURE", "AUTHORIZER_CONFIGURATION_ERROR"):
        response = body["x-amazon-apigateway-gateway-responses"][kind]
        assert (
            response["responseParameters"]["gatewayresponse.header.Retry-After"] == f"'{AuthUnavailable.retry_after}'"
        )
        document = json.loads(response["responseTemplates"]["application/json"])
        assert document == AuthUnavailable().problem(request_id="$context.requestId")


def test_413_names_the_services_limit_and_the_way_out(body: Any) -> None:
    response = body["x-amazon-apigateway-gateway-responses"]["REQUEST_TOO_LARGE"]
    document = json.loads(response["responseTemplates"]["application/json"])
    assert str(MAX_BODY_BYTES) in document["detail"]
    assert "POST /uploads" in document["detail"]


def test_gateway_errors_have_the_packages_status_for_the_same_code() -> None:
    leaves = [error for error in subclasses(ServiceError) if "code" in vars(error)]
    statuses = {error.code: error.status for error in leaves}
    shared = [(status, code) for status, code in GATEWAY_ERRORS.values() if code in statuses]
    assert shared
    assert all(statuses[code] == status for status, code in shared)


def subclasses(kind: type[ServiceError]) -> list[type[ServiceError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in subclasses(child))]
