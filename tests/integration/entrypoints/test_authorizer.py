"""The authorizer's handler with the gateway's events: real table (moto), real issuer over TLS."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from imagegen.access import api_key
from imagegen.access.caller import Caller
from imagegen.access.issuer_http import HttpsKeySets
from imagegen.authorizer_wiring import AuthorizerContainer
from imagegen.entrypoints import authorizer
from imagegen.settings import AuthorizerSettings
from tests.support.authorizer_events import ROUTES, authorizer_event
from tests.support.callers import ADMIN, OPERATOR, CallerWorld
from tests.support.issuer import AUDIENCE, PATIENT_S, START_S, LocalIssuer, hand_made, local_issuer
from tests.support.job_world import JobWorld
from tools.faults.job_backend import MovableClock
from tools.lambda_event import Context


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    with local_issuer() as running:
        yield running


class Gateway:
    """Calls the authorizer, and judges its policy as API Gateway does."""

    def __init__(self, callers: CallerWorld, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch):
        trust = {"issuer": issuer.url, "audiences": [AUDIENCE], "tenant_claim": ["org"], "roles_claim": ["roles"]}
        settings = AuthorizerSettings(table_name=callers.world.resources["Table"], token_issuers=json.dumps([trust]))
        self.callers, self.issuer = callers, issuer
        self.clock = MovableClock(START_S * 1000)
        self.container = AuthorizerContainer(settings)
        self.container.clock = self.clock
        self.container.key_sets = HttpsKeySets(issuer.tls, PATIENT_S)
        monkeypatch.setattr(authorizer, "container", self.container)
        callers.keys.create_tenant("Acme Ltd", "acme")
        self.user = callers.keys.create_key("acme", "website", by=OPERATOR).key
        self.operator = callers.keys.create_key("acme", "operator", by=ADMIN, roles=["operator"]).key

    def call(self, *headers: tuple[str, str], **event: Any) -> Any:
        """Return the answer, or the text of what is raised."""
        try:
            return authorizer.handler(authorizer_event(*headers, **event), Context())
        except authorizer.Refused as error:
            assert error.__cause__ is None
            assert error.__suppress_context__
            return str(error)


@pytest.fixture
def gateway(world: JobWorld, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    world.clock.now = START_S * 1000
    issuer.requests.clear()
    yield Gateway(CallerWorld(world), issuer, monkeypatch)
    issuer.fault = None


def allows(answer: Any, event: dict[str, Any]) -> bool:
    """Return whether the policy allows the event's method, by IAM's wildcards."""
    (statement,) = answer["policyDocument"]["Statement"]
    pattern = re.escape(statement["Resource"]).replace(r"\*", ".*")
    return statement["Effect"] == "Allow" and re.fullmatch(pattern, event["methodArn"]) is not None


def credentials(gateway: Gateway) -> dict[str, tuple[str, str]]:
    return {
        "key": ("x-api-key", gateway.user),
        "key as bearer": ("Authorization", f"Bearer {gateway.user}"),
        "token": ("authorization", f"Bearer {gateway.issuer.token(org='acme')}"),
    }


def test_the_answer_to_every_route_is_the_same_and_allows_every_route(gateway: Gateway) -> None:
    """But for a mark that the function has to look whether the key is still valid."""
    for header in credentials(gateway).values():
        answers = [gateway.call(header, method=method, path=path) for method, path in ROUTES]
        remembered = [answer["context"].pop("remembered_key", None) for answer in answers]
        assert [route for route, key in zip(ROUTES, remembered, strict=True) if key] in ([], [("POST", "/generate")])
        assert all(answer == answers[0] for answer in answers)
        assert all(allows(answers[0], authorizer_event(method=method, path=path)) for method, path in ROUTES)


def test_a_context_never_has_the_key_or_its_digest(gateway: Gateway) -> None:
    answers = [gateway.call(("x-api-key", gateway.user), method="POST", path="/generate") for _ in range(2)]
    assert ["remembered_key" in answer["context"] for answer in answers] == [False, True]
    for answer in answers:
        assert all(isinstance(value, str) for value in answer["context"].values())
        assert gateway.user not in json.dumps(answer)
        assert api_key.digest(gateway.user) not in json.dumps(answer)


def test_a_token_is_verified_for_every_request(gateway: Gateway) -> None:
    token = ("Authorization", f"Bearer {gateway.issuer.token(org='acme', exp=START_S + 10)}")
    answers = [gateway.call(token, method="POST", path="/generate") for _ in range(2)]
    assert not any("remembered_key" in answer["context"] for answer in answers)
    gateway.clock.pass_s(71)
    assert gateway.call(token, method="POST", path="/generate") == "Unauthorized"


def test_the_answer_allows_no_other_stage_api_or_account(gateway: Gateway) -> None:
    answer = gateway.call(("x-api-key", gateway.user), partition="aws-us-gov")
    event = authorizer_event(partition="aws-us-gov")
    assert allows(answer, event)
    for own, other in (("/v1/", "/v2/"), ("abcdef1234", "other12345"), ("123456789012", "210987654321")):
        assert not allows(answer, event | {"methodArn": event["methodArn"].replace(own, other)})
    assert gateway.call(("x-api-key", gateway.user), path="/v1/../x")["policyDocument"] == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Action": "execute-api:Invoke",
                "Effect": "Allow",
                "Resource": "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/v1/*",
            }
        ],
    }


def test_the_functions_get_the_caller(gateway: Gateway) -> None:
    for header in credentials(gateway).values():
        answer = gateway.call(header)
        caller = Caller.from_context(answer["context"])
        assert (caller.tenant, caller.principal) == ("acme", answer["principalId"])
        assert caller.roles == {"user"}
        assert caller.scopes == {"images:read", "images:write"}


def test_roles_differ_by_credential_and_the_policy_does_not(gateway: Gateway) -> None:
    user, operator = (gateway.call(("x-api-key", key)) for key in (gateway.user, gateway.operator))
    admin = gateway.call(("Authorization", f"Bearer {gateway.issuer.token(org='acme', roles=['admin'])}"))
    assert user["policyDocument"] == operator["policyDocument"] == admin["policyDocument"]
    scopes = [Caller.from_context(each["context"]).scopes for each in (user, operator, admin)]
    assert scopes[0] < scopes[1] < scopes[2]


Lines = Callable[[Gateway], list[tuple[str, str]]]
REFUSED: dict[str, Lines] = {
    "nothing": lambda g: [],
    "an unknown key": lambda g: [("x-api-key", "imagegen_" + "a" * 46)],
    "a key of API Gateway that was never migrated": lambda g: [("x-api-key", "k" * 40)],
    "both headers": lambda g: [("x-api-key", g.user), ("Authorization", f"Bearer {g.user}")],
    "a repeated header": lambda g: [("x-api-key", g.user), ("x-api-key", g.user)],
    "a repeated header in another case": lambda g: [("x-api-key", g.user), ("X-API-KEY", g.user)],
    "two bearers": lambda g: [("Authorization", f"Bearer {g.user}")] * 2,
    "an oversized token": lambda g: [("Authorization", f"Bearer {g.issuer.token(org='acme', pad='x' * 9000)}")],
    "an expired token": lambda g: [("Authorization", f"Bearer {g.issuer.token(org='acme', exp=START_S - 61)}")],
    "an unsigned token": lambda g: [("Authorization", f"Bearer {hand_made({'alg': 'none'}, g.issuer.claims())}")],
    "a token of no tenant": lambda g: [("Authorization", f"Bearer {g.issuer.token()}")],
    "a token of the local tenant": lambda g: [("Authorization", f"Bearer {g.issuer.token(org='local')}")],
    "a token as a key": lambda g: [("x-api-key", g.issuer.token(org="acme"))],
    "Basic": lambda g: [("Authorization", "Basic YTpi")],
}


def test_every_refusal_is_the_same_401(gateway: Gateway) -> None:
    outcomes = {name: gateway.call(*make(gateway)) for name, make in REFUSED.items()}
    assert outcomes == dict.fromkeys(REFUSED, "Unauthorized")


def test_a_key_in_the_query_is_401_even_with_a_valid_header(gateway: Gateway) -> None:
    for name in ("api_key", "access_token", "x-api-key", "anything"):
        query = [(name, gateway.user)]
        assert gateway.call(query=query) == "Unauthorized"
        assert gateway.call(("x-api-key", gateway.user), query=query) == "Unauthorized"
    assert gateway.call(("x-api-key", gateway.user), query=[("limit", "1")]) != "Unauthorized"


def test_single_valued_headers_are_read_where_there_are_no_others(gateway: Gateway) -> None:
    event = authorizer_event(("x-api-key", gateway.user), query=[("api_key", "1")])
    del event["multiValueHeaders"], event["multiValueQueryStringParameters"]
    with pytest.raises(authorizer.Refused, match="Unauthorized"):
        authorizer.handler(event, Context())
    del event["queryStringParameters"]
    assert authorizer.handler(event, Context())["principalId"].startswith("key:")


# -- what cannot be known ----------------------------------------------------------------------------------------------


def test_while_the_issuer_is_down_the_gateway_answers_503_and_keys_still_work(gateway: Gateway) -> None:
    gateway.issuer.fault = "status 500"
    assert gateway.call(("Authorization", f"Bearer {gateway.issuer.token(org='acme')}")) == "auth_unavailable"
    assert gateway.call(("x-api-key", gateway.user)) != "auth_unavailable"


def test_an_environment_that_starts_while_the_issuer_is_down_uses_the_table(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = credentials(gateway)["token"]
    gateway.call(token)
    gateway.issuer.fault = "status 500"
    started = AuthorizerContainer(gateway.container.settings)
    started.clock, started.key_sets = gateway.clock, gateway.container.key_sets
    monkeypatch.setattr(authorizer, "container", started)
    assert gateway.call(token)["context"]["tenant"] == "acme"
    assert gateway.issuer.fetches == 2


def test_without_the_table_the_gateway_answers_503_and_tokens_still_work(gateway: Gateway, world: JobWorld) -> None:
    dynamodb, table = boto3.client("dynamodb"), world.resources["Table"]
    dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=table)
    assert gateway.call(("x-api-key", gateway.user)) == "storage_unavailable"
    assert gateway.call(credentials(gateway)["token"])["context"]["tenant"] == "acme"


@pytest.mark.parametrize("event", [{}, {"type": "TOKEN", "authorizationToken": "Bearer canary"}])
def test_an_event_of_another_kind_is_refused(gateway: Gateway, event: dict[str, Any]) -> None:
    with pytest.raises(authorizer.Refused, match="internal_error"):
        authorizer.handler(event, Context())


def test_without_issuers_every_token_is_refused(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    container = AuthorizerContainer(AuthorizerSettings(table_name=gateway.callers.world.resources["Table"]))
    container.clock = gateway.clock
    monkeypatch.setattr(authorizer, "container", container)
    assert container.tokens is None
    assert gateway.call(credentials(gateway)["token"]) == "Unauthorized"
    assert gateway.call(credentials(gateway)["key"]) != "Unauthorized"


# -- what is logged ----------------------------------------------------------------------------------------------------


def test_no_credential_is_ever_logged(gateway: Gateway, printed: Callable[[], str]) -> None:
    token = gateway.issuer.token(org="acme")
    headers = [*credentials(gateway).values(), *(line for make in REFUSED.values() for line in make(gateway))]
    for header in headers:
        gateway.call(header)
        gateway.call(query=[("api_key", header[1])])
    gateway.issuer.fault = "huge"
    gateway.clock.pass_s(3600)
    gateway.call(("Authorization", f"Bearer {gateway.issuer.token(org='acme', exp=START_S + 9999)}"))
    log = printed()
    assert '"tenant":"acme"' in log
    assert '"code":"auth_unavailable"' in log
    for value in {token, gateway.user, gateway.operator, *(value for _, value in headers)}:
        for part in value.removeprefix("Bearer ").removeprefix("imagegen_").split("."):
            assert len(part) < 12 or part[:12] not in log
            assert len(part) < 12 or part[-12:] not in log


@pytest.mark.parametrize(("given", "logged"), [("r-1", "r-1"), ("canary " * 20, None), (None, None), (7, None)])
def test_a_request_id_is_bounded_before_it_is_logged(
    gateway: Gateway, printed: Callable[[], str], given: object, logged: str | None
) -> None:
    """A caller can choose it, by X-Amzn-RequestId."""
    event = authorizer_event(credentials(gateway)["key"])
    event["requestContext"]["requestId"] = given
    authorizer.handler(event, Context())
    (line,) = [json.loads(each) for each in printed().splitlines() if '"authenticated"' in each]
    assert line["request_id"] == (logged or Context().aws_request_id)
