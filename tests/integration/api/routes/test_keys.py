"""GET /me, and the routes under /keys: create, list, rotate and revoke API keys through the real handlers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import boto3
import pytest

from imagegen.access.caller import Role
from imagegen.access.tenant_keys import DEFAULT_OVERLAP_S
from imagegen.authorizer_wiring import AuthorizerContainer
from imagegen.entrypoints import authorizer as authorizer_entrypoint
from imagegen.settings import AuthorizerSettings
from tests.support.authorizer_events import authorizer_event
from tests.support.callers import webhook_secret
from tests.support.expectations import outcome
from tests.support.job_handlers import HOOK, PROMPT, UNKNOWN_JOB, JobHandlers, body, header
from tests.support.library_messages import foreign_phrases
from tools.lambda_event import Context, authorizer

OPERATOR: Final = authorizer("key-of-operator", ["operator"])
ADMIN: Final = authorizer("key-of-operator", ["admin"])
READ: Final = ["images:read"]


class Keys:
    """Sends requests as an operator, and with the keys that it made: the real authorizer reads them from the table."""

    def __init__(self, handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch):
        self.handlers, self.clock = handlers, handlers.world.clock
        container = AuthorizerContainer(AuthorizerSettings(table_name=handlers.world.container.settings.table_name))
        container.clock = self.clock
        monkeypatch.setattr(authorizer_entrypoint, "container", container)

    def call(self, method: str, path: str, body: object = b"", by: dict[str, Any] = OPERATOR, **query: str) -> Any:
        context = {"requestId": "r", "path": f"/v1{path}", "authorizer": by}
        changes: dict[str, Any] = {"requestContext": context}
        if query:
            changes["queryStringParameters"] = query
        return self.handlers.call(method, path, body, **changes)

    def create(self, by: dict[str, Any] = OPERATOR, **fields: Any) -> dict[str, Any]:
        answer = self.call("POST", "/keys", fields, by)
        assert answer["statusCode"] == 201, answer["body"]
        return body(answer)

    def listed(self, tenant: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = body(self.call("GET", "/keys", tenant=tenant))["keys"]
        return found

    def context(self, key: str) -> dict[str, Any] | None:
        """Return what the authorizer says about the key, or None if it refuses it."""
        try:
            answer = authorizer_entrypoint.handler(authorizer_event(("Authorization", f"Bearer {key}")), Context())
        except authorizer_entrypoint.Refused:
            return None
        return {"principalId": answer["principalId"], **answer["context"]}

    def send(self, key: str, method: str, path: str, body: object = b"", **headers: str) -> dict[str, Any]:
        """Send the request with the key."""
        context = {"requestId": "r", "path": f"/v1{path}", "authorizer": self.context(key)}
        return self.handlers.call(method, path, body, headers=headers, requestContext=context)


@pytest.fixture
def keys(handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch) -> Keys:
    return Keys(handlers, monkeypatch)


def test_me_is_the_caller(keys: Keys) -> None:
    answer = keys.call("GET", "/me", by=authorizer("key-of-alice", ["user", "operator"], [*READ, "tenants:manage"]))
    assert {name: value for name, value in body(answer).items() if name != "limits"} == {
        "tenant": authorizer("key-of-alice")["tenant"],
        "principal": "key:key-of-alice",
        "roles": ["user", "operator"],
        "scopes": ["images:read", "tenants:manage"],
    }
    head = keys.call("HEAD", "/me")
    assert (head["statusCode"], head["body"], header(head, "cache-control")) == (200, "", "no-store")
    assert outcome(keys.call("GET", "/me", tenant="other")) == (422, "unknown_field")


# -- create and list ---------------------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_works(keys: Keys) -> None:
    answer = keys.call("POST", "/keys", {"tenant": "acme", "name": "website"})
    made = body(answer)
    assert (answer["statusCode"], header(answer, "cache-control")) == (201, "no-store")
    assert (made["tenant"], made["name"], made["roles"], made["ends_at"]) == ("acme", "website", ["user"], None)
    assert made["scopes"] == ["images:read", "images:write"]
    context = keys.context(made["key"])
    assert context is not None
    assert (context["tenant"], context["principal"]) == ("acme", f"key:{made['id']}")
    assert keys.listed("acme") == [{name: value for name, value in made.items() if name != "key"}]
    assert body(keys.send(made["key"], "GET", "/me"))["tenant"] == "acme"


def test_a_new_tenant_has_a_webhook_secret_and_an_existing_one_keeps_its_own(keys: Keys) -> None:
    keys.create(tenant="acme", name="website")
    secret = webhook_secret("acme")
    second = keys.create(tenant="acme", name="batch")
    assert webhook_secret("acme") == secret
    assert [each["name"] for each in keys.listed("acme")] == ["website", "batch"]
    assert keys.send(second["key"], "POST", "/jobs", PROMPT | HOOK)["statusCode"] == 202


def test_the_default_tenant_is_the_operators_own(keys: Keys) -> None:
    assert body(keys.call("GET", "/keys"))["keys"] == []
    made = keys.create()
    assert (made["tenant"], made["name"]) == (OPERATOR["tenant"], "")
    assert [each["id"] for each in body(keys.call("GET", "/keys"))["keys"]] == [made["id"]]
    assert keys.call("DELETE", f"/keys/{made['id']}")["statusCode"] == 204


def test_scopes_limit_a_key(keys: Keys) -> None:
    made = keys.create(tenant="acme", scopes=["images:read", "images:read"])
    assert made["scopes"] == ["images:read"]
    assert keys.send(made["key"], "GET", "/jobs")["statusCode"] == 200
    assert outcome(keys.send(made["key"], "POST", "/jobs", PROMPT)) == (403, "forbidden_scope")


INVALID: Final[list[tuple[dict[str, Any], str, str]]] = [
    ({"tenant": "local"}, "out_of_range", "tenant"),
    ({"tenant": "a#b"}, "out_of_range", "tenant"),
    ({"tenant": ""}, "out_of_range", "tenant"),
    ({"tenant": 7}, "wrong_type", "tenant"),
    ({"tenant": None}, "wrong_type", "tenant"),
    ({"name": "x" * 101}, "out_of_range", "name"),
    ({"name": "a\u0007"}, "invalid_text", "name"),
    ({"name": None}, "wrong_type", "name"),
    ({"roles": []}, "out_of_range", "roles"),
    ({"roles": "user"}, "wrong_type", "roles"),
    ({"roles": ["root"]}, "out_of_range", "roles.0"),
    ({"scopes": []}, "out_of_range", "scopes"),
    ({"scopes": ["openid"]}, "out_of_range", "scopes.0"),
    ({"scopes": ["tenants:manage"]}, "out_of_range", "scopes"),
    ({"role": "user"}, "unknown_field", "role"),
    ({"overlap_seconds": 1}, "unknown_field", "overlap_seconds"),
]


def test_every_invalid_field_of_a_new_key_is_named_in_our_own_words(keys: Keys) -> None:
    for fields, code, field in INVALID:
        answer = keys.call("POST", "/keys", fields, ADMIN)
        assert outcome(answer) == (422, code), fields
        assert [each["field"] for each in body(answer)["errors"]] == [field]
        assert foreign_phrases(answer["body"]) == []
    for raw, status, code in [(b"", 400, "malformed_json"), (b"[]", 400, "body_not_object")]:
        assert outcome(keys.call("POST", "/keys", raw)) == (status, code)
    assert keys.handlers.world.items("TENANT#") + keys.handlers.world.items("KEY#") == []


def test_an_unknown_tenant_is_404_and_an_invalid_one_422(keys: Keys) -> None:
    answer = keys.call("GET", "/keys", tenant="nobody")
    assert outcome(answer) == (404, "tenant_not_found")
    assert [each["field"] for each in body(answer)["errors"]] == ["tenant"]
    for tenant in ("local", "a#b", "", "x" * 65):
        for method, path in [("GET", "/keys"), ("DELETE", f"/keys/{UNKNOWN_JOB}")]:
            answer = keys.call(method, path, tenant=tenant)
            assert outcome(answer) == (422, "out_of_range")
            assert "1 to 64 ASCII letters" in body(answer)["detail"]
    assert outcome(keys.call("GET", "/keys", tenants="acme")) == (422, "unknown_field")


# -- rotate and revoke -------------------------------------------------------------------------------------------------


def test_a_rotation_keeps_jobs_cache_idempotency_keys_and_the_webhook_secret(keys: Keys) -> None:
    seeded = PROMPT | {"seed": 7}
    old = keys.create(tenant="acme", name="website")
    image = body(keys.send(old["key"], "POST", "/generate", seeded))
    job = body(keys.send(old["key"], "POST", "/jobs", PROMPT, **{"Idempotency-Key": "order-17"}))
    secret = webhook_secret("acme")
    new = body(keys.call("POST", f"/keys/{old['id']}/rotate", {"tenant": "acme", "overlap_seconds": 0}))
    assert keys.context(old["key"]) is None
    again = body(keys.send(new["key"], "POST", "/generate", seeded))
    assert (image["cached"], again["cached"]) == (False, True)
    assert again["images"][0]["sha256"] == image["images"][0]["sha256"]
    assert body(keys.send(new["key"], "GET", f"/jobs/{job['id']}"))["id"] == job["id"]
    assert [each["id"] for each in body(keys.send(new["key"], "GET", "/jobs"))["jobs"]] == [job["id"]]
    repeated = keys.send(new["key"], "POST", "/jobs", PROMPT, **{"Idempotency-Key": "order-17"})
    assert (body(repeated)["id"], header(repeated, "Idempotency-Replayed")) == (job["id"], "true")
    assert webhook_secret("acme") == secret
    assert keys.send(new["key"], "POST", "/jobs", PROMPT | HOOK)["statusCode"] == 202


def test_both_keys_are_valid_during_the_overlap(keys: Keys) -> None:
    old = keys.create(tenant="acme", name="website", scopes=READ)
    answer = keys.call("POST", f"/keys/{old['id']}/rotate", {"tenant": "acme"})
    new = body(answer)
    assert (answer["statusCode"], header(answer, "cache-control")) == (201, "no-store")
    assert (new["name"], new["scopes"], new["tenant"]) == ("website", READ, "acme")
    assert keys.context(old["key"]) is not None
    keys.clock.pass_s(DEFAULT_OVERLAP_S)
    assert keys.context(old["key"]) is None
    assert keys.context(new["key"]) is not None
    ended, current = keys.listed("acme")
    assert (ended["replaced_by"], current["replaced_by"], current["ends_at"]) == (new["id"], None, None)
    assert ended["ends_at"].endswith("Z")


def test_a_key_that_has_ended_is_409_and_revoking_it_again_204(keys: Keys) -> None:
    made = keys.create(tenant="acme")
    for _ in range(2):
        assert keys.call("DELETE", f"/keys/{made['id']}", tenant="acme")["statusCode"] == 204
    assert keys.context(made["key"]) is None
    answer = keys.call("POST", f"/keys/{made['id']}/rotate", {"tenant": "acme"})
    assert outcome(answer) == (409, "key_ended")
    assert len(keys.listed("acme")) == 1


def test_foreign_and_unknown_keys_get_one_404(keys: Keys) -> None:
    made = keys.create(tenant="acme")
    keys.create(tenant="other")
    requests: list[tuple[str, str, object, dict[str, Any]]] = [
        ("DELETE", "", b"", {"tenant": "other"}),
        ("POST", "/rotate", {"tenant": "other"}, {}),
        ("POST", "/rotate", {"tenant": "nobody"}, {}),
    ]
    for method, path, fields, query in requests:
        ids = (made["id"], UNKNOWN_JOB, "1", "a%2Fb", "%00", "KEY#x")
        answers = [keys.call(method, f"/keys/{key_id}{path}", fields, **query) for key_id in ids]
        assert outcome(answers[0]) == (404, "key_not_found")
        assert all(each == answers[0] for each in answers)
    assert keys.context(made["key"]) is not None


def test_every_invalid_field_of_a_rotation_is_named_in_our_own_words(keys: Keys) -> None:
    made = keys.create(tenant="acme")
    invalid: list[tuple[dict[str, Any], str, str]] = [
        ({"overlap_seconds": -1}, "out_of_range", "overlap_seconds"),
        ({"overlap_seconds": 2_592_001}, "out_of_range", "overlap_seconds"),
        ({"overlap_seconds": 1.5}, "wrong_type", "overlap_seconds"),
        ({"overlap_seconds": None}, "wrong_type", "overlap_seconds"),
        ({"tenant": "local"}, "out_of_range", "tenant"),
        ({"name": "x"}, "unknown_field", "name"),
    ]
    for fields, code, field in invalid:
        answer = keys.call("POST", f"/keys/{made['id']}/rotate", {"tenant": "acme"} | fields)
        assert outcome(answer) == (422, code), fields
        assert [each["field"] for each in body(answer)["errors"]] == [field]
        assert foreign_phrases(answer["body"]) == []
    assert len(keys.listed("acme")) == 1


# -- roles -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("roles", [["operator"], ["admin"], ["user", "operator"]])
def test_an_operator_manages_only_keys_of_users(keys: Keys, roles: list[Role]) -> None:
    made = keys.create(ADMIN, tenant="acme", roles=roles)
    before = keys.listed("acme")
    forbidden = (403, "forbidden_scope")
    for answer in (
        keys.call("POST", "/keys", {"tenant": "acme", "roles": roles}),
        keys.call("POST", "/keys", {"tenant": "new", "roles": roles}),
        keys.call("POST", f"/keys/{made['id']}/rotate", {"tenant": "acme"}),
        keys.call("DELETE", f"/keys/{made['id']}", tenant="acme"),
    ):
        assert outcome(answer) == forbidden
        assert "roles:grant" in body(answer)["detail"]
    assert keys.listed("acme") == before
    assert outcome(keys.call("GET", "/keys", tenant="new")) == (404, "tenant_not_found")
    assert keys.context(made["key"]) is not None


def test_a_key_that_an_operator_made_manages_nothing(keys: Keys) -> None:
    made = keys.create(tenant="acme")
    assert outcome(keys.send(made["key"], "GET", "/keys")) == (403, "forbidden_scope")
    assert outcome(keys.send(made["key"], "POST", "/keys", {})) == (403, "forbidden_scope")


# -- what is logged ----------------------------------------------------------------------------------------------------


def test_a_keys_value_is_in_no_log_and_in_no_row(keys: Keys, printed: Callable[[], str]) -> None:
    made = keys.create(tenant="acme", name="website")
    rotated = body(keys.call("POST", f"/keys/{made['id']}/rotate", {"tenant": "acme"}))
    keys.call("DELETE", f"/keys/{made['id']}", tenant="acme")
    keys.send(rotated["key"], "GET", "/me")
    table = boto3.client("dynamodb").scan(TableName=keys.handlers.world.container.settings.table_name)
    log, stored, listed = printed(), json.dumps(table["Items"]), json.dumps(keys.listed("acme"))
    for value in (made["key"], rotated["key"]):
        assert not any(value[9:25] in text or value[-16:] in text for text in (log, stored, listed))
    for action in ("key created", "key rotated", "key revoked"):
        (line,) = [each for each in map(json.loads, log.splitlines()) if each.get("message") == action]
        assert (line["principal"], line["key_id"]) == ("key:key-of-operator", made["id"])
