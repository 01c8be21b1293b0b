"""Every route serves only callers that the gateway's authorizer names, that have its scope, and their own tenant."""

from __future__ import annotations

from typing import Any, Final

import boto3

from imagegen.access.caller import ROLES, SCOPES, Scope
from imagegen.api.router import METHODS
from imagegen.entrypoints import api, generator
from tests.support.expectations import outcome
from tests.support.job_handlers import PROMPT, UNKNOWN_JOB, JobHandlers, body, header
from tools.lambda_event import authorizer

NEEDED: Final[dict[tuple[str, str], Scope]] = {
    ("POST", "/generate"): "images:write",
    ("GET", "/models"): "images:read",
    ("POST", "/jobs"): "images:write",
    ("GET", "/jobs"): "images:read",
    ("GET", "/jobs/<job_id>"): "images:read",
    ("DELETE", "/jobs/<job_id>"): "images:write",
    ("POST", "/jobs/<job_id>/cancel"): "images:write",
    ("POST", "/uploads"): "images:write",
    ("POST", "/verify"): "images:read",
    ("GET", "/me"): "images:read",
    ("GET", "/usage"): "images:read",
    ("GET", "/report"): "tenants:manage",
    ("POST", "/keys"): "tenants:manage",
    ("GET", "/keys"): "tenants:manage",
    ("DELETE", "/keys/<key_id>"): "tenants:manage",
    ("POST", "/keys/<key_id>/rotate"): "tenants:manage",
}
OPEN: Final = {("GET", "/health"), ("GET", "/openapi.json"), ("GET", "/docs")}
UNAUTHORIZED: Final = (401, "invalid_token")
CONTEXTS: Final[list[dict[str, Any]]] = [
    {},
    {"authorizer": None},
    {"authorizer": {}},
    {"authorizer": "alice"},
    {"authorizer": {"principalId": "key:1", "scopes": "images:read images:write tenants:manage"}},
    {"authorizer": {"tenant": "local", "scopes": "images:read images:write tenants:manage"}},
    {"identity": {"apiKey": "key-of-alice"}},
]
"""What a route without an authorizer sees, and contexts that name no valid tenant."""


def path_of(rule: str, job: str = UNKNOWN_JOB) -> str:
    return rule.replace("<job_id>", job).replace("<key_id>", UNKNOWN_JOB)


def body_of(method: str, rule: str) -> object:
    """Return a valid body for the route."""
    if method != "POST":
        return b""
    if rule == "/uploads":
        return {"content_type": "image/png"}
    return {} if rule.startswith("/keys") else PROMPT


def call(handlers: JobHandlers, method: str, path: str, body: object = b"", /, **context: Any) -> dict[str, Any]:
    """Send the request with exactly this request context."""
    return handlers.call(method, path, body, requestContext={"requestId": "r", "path": f"/v1{path}", **context})


def nothing_happened(handlers: JobHandlers) -> bool:
    table = boto3.client("dynamodb").scan(TableName=handlers.world.container.settings.table_name)
    return handlers.world.engine.generations == 0 and table["Count"] == 0


def registered() -> set[tuple[str, str]]:
    """Return the routes of both functions as Powertools has them, without those that only answer 405."""
    routes = [each for app in (api.app, generator.app) for each in [*app._static_routes, *app._dynamic_routes]]
    return {(each.method, each.path) for each in routes if each.include_in_schema or (each.method, each.path) in OPEN}


def test_the_tables_have_every_route() -> None:
    assert registered() == {*NEEDED, *OPEN}


def test_without_a_caller_every_route_is_401(handlers: JobHandlers) -> None:
    for method, rule in NEEDED:
        for context in CONTEXTS:
            answer = call(handlers, method, path_of(rule), PROMPT if method == "POST" else b"", **context)
            assert outcome(answer) == UNAUTHORIZED, (method, rule, context)
            assert header(answer, "WWW-Authenticate") == 'Bearer realm="imagegen", ApiKey realm="imagegen"'
            assert body(answer)["errors"] == []
    assert nothing_happened(handlers)


def test_without_its_scope_every_route_is_403_and_names_it(handlers: JobHandlers) -> None:
    for (method, rule), needed in NEEDED.items():
        others = authorizer(roles=["admin"], scopes=[each for each in SCOPES if each != needed])
        answer = call(handlers, method, path_of(rule), PROMPT, authorizer=others)
        assert outcome(answer) == (403, "forbidden_scope"), (method, rule)
        assert needed in body(answer)["detail"]
    assert nothing_happened(handlers)


def test_head_needs_what_get_needs(handlers: JobHandlers) -> None:
    for (method, rule), needed in NEEDED.items():
        if method == "GET":
            others = authorizer(roles=["admin"], scopes=[each for each in SCOPES if each != needed])
            wrong = call(handlers, "HEAD", path_of(rule), authorizer=others)
            none = call(handlers, "HEAD", path_of(rule))
            assert [(each["statusCode"], each["body"]) for each in (wrong, none)] == [(403, ""), (401, "")], rule


def test_the_caller_is_judged_before_the_request(handlers: JobHandlers) -> None:
    """A caller without the scope learns nothing about what the route accepts."""
    invalid: dict[str, Any] = {"headers": {"Content-Type": "text/plain"}, "queryStringParameters": {"x": "1"}}
    for method, rule in NEEDED:
        path = path_of(rule)
        context = {"requestId": "r", "path": f"/v1{path}"}
        without = context | {"authorizer": authorizer(scopes=[])}
        assert outcome(handlers.call(method, path, b"{", **invalid, requestContext=context)) == UNAUTHORIZED
        assert outcome(handlers.call(method, path, b"{", **invalid, requestContext=without)) == (403, "forbidden_scope")


def test_a_scope_alone_is_enough(handlers: JobHandlers) -> None:
    for (method, rule), needed in NEEDED.items():
        only = authorizer(roles=["admin"], scopes=[needed])
        answer = call(handlers, method, path_of(rule), body_of(method, rule), authorizer=only)
        assert answer["statusCode"] not in (401, 403), (method, rule)


def test_every_role_may_generate_and_look(handlers: JobHandlers) -> None:
    for role in ROLES:
        for method, rule in [("POST", "/generate"), ("POST", "/jobs"), ("GET", "/models"), ("GET", "/jobs")]:
            answer = call(handlers, method, rule, PROMPT, authorizer=authorizer(roles=[role]))
            assert answer["statusCode"] in (200, 202), (role, method, rule)


def test_open_routes_need_no_caller(handlers: JobHandlers) -> None:
    assert [call(handlers, method, rule)["statusCode"] for method, rule in sorted(OPEN)] == [200, 200, 200]


def test_another_method_is_405_without_work(handlers: JobHandlers) -> None:
    for rule in sorted({path for _, path in NEEDED}):
        for method in METHODS:
            if (method, rule) not in NEEDED:
                assert outcome(call(handlers, method, path_of(rule))) == (405, "method_not_allowed"), (method, rule)
    assert nothing_happened(handlers)


def test_a_foreign_id_and_an_unknown_one_get_one_body(handlers: JobHandlers) -> None:
    job, bob = body(handlers.submit())["id"], authorizer("key-of-bob")
    for method, rule in NEEDED:
        if "<job_id>" in rule:
            answers = [call(handlers, method, path_of(rule, each), authorizer=bob) for each in (job, UNKNOWN_JOB)]
            assert outcome(answers[0]) == (404, "job_not_found")
            assert answers[0] == answers[1]
    assert body(handlers.call("GET", f"/jobs/{job}"))["status"] == "queued"


def test_an_operator_sees_no_job_of_another_tenant(handlers: JobHandlers) -> None:
    job = body(handlers.submit())["id"]
    operator = authorizer("key-of-operator", roles=["admin"])
    assert outcome(call(handlers, "GET", f"/jobs/{job}", authorizer=operator)) == (404, "job_not_found")
    assert body(call(handlers, "GET", "/jobs", authorizer=operator))["jobs"] == []


def test_sam_local_may_have_no_authorizer_so_its_requests_are_direct_invocations(handlers: JobHandlers) -> None:
    container = handlers.world.container
    container.settings = container.settings.model_copy(update={"aws_sam_local": True})
    answer = call(handlers, "POST", "/generate", PROMPT)
    assert answer["statusCode"] == 200
    assert "/images/local/" in body(answer)["image_url"]
    alice = call(handlers, "POST", "/generate", PROMPT, authorizer=authorizer())
    assert "/images/local/" not in body(alice)["image_url"]
