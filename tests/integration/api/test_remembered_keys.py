"""API keys through the authorizer and the functions together: AWS calls, and keys that end while one is remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import boto3
import pytest

from imagegen.access.recent_keys import KEPT_MS
from imagegen.access.tenant_keys import NewKey
from imagegen.authorizer_wiring import AuthorizerContainer
from imagegen.entrypoints import authorizer
from imagegen.errors import StorageUnavailable
from imagegen.limits.quota import Quota
from imagegen.limits.rate_limit import RatePolicy, RouteClass
from imagegen.limits.tenant_limits import TenantLimits
from imagegen.settings import AuthorizerSettings
from tests.integration.api.test_callers import NEEDED, UNAUTHORIZED, body_of, path_of
from tests.support.authorizer_events import authorizer_event
from tests.support.aws_calls import AwsCalls
from tests.support.callers import OPERATOR, CallerWorld
from tests.support.expectations import outcome
from tests.support.job_handlers import PROMPT, JobHandlers, header
from tests.support.ledger import settled
from tools.lambda_event import Context
from tools.lambda_event import authorizer as context_of

CHALLENGE: Final = 'Bearer realm="imagegen", ApiKey realm="imagegen"'
HOOK: Final = {"webhook": {"url": "https://example.com/hook", "events": ["job.succeeded"]}}
LOOK_UP: Final = "GetItem"
TRANSACTION: Final = "TransactWriteItems"
LIMITS: Final = {
    "none": TenantLimits(),
    "a quota": TenantLimits({}, Quota(images=100, usd=Decimal(100))),
    "a rate and a quota": TenantLimits({"drawing": RatePolicy("drawing", 5, 20)}, Quota(images=100)),
}


class Gateway:
    """Asks the authorizer, then the function of the route, as API Gateway does."""

    def __init__(self, handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch):
        self.handlers, self.world, self.calls = handlers, handlers.world, AwsCalls()
        self.keys = CallerWorld(self.world).keys
        self.keys.create_tenant("Acme Ltd", "acme")
        self.made = self.keys.create_key("acme", "website", by=OPERATOR)
        container = AuthorizerContainer(AuthorizerSettings(table_name=self.world.resources["Table"]))
        container.clock = self.world.clock
        monkeypatch.setattr(authorizer, "container", container)
        self.calls.take()

    def call(
        self,
        method: str = "POST",
        path: str = "/generate",
        body: object = PROMPT,
        *,
        key: NewKey | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any] | None:
        """Return the function's response, or None if the authorizer refused the request."""
        try:
            value = (key or self.made).key
            answer = authorizer.handler(authorizer_event(("x-api-key", value), method=method, path=path), Context())
        except authorizer.Refused as error:
            assert str(error) == "Unauthorized"
            return None
        context = {"requestId": "r", "path": f"/v1{path}", "authorizer": answer["context"]}
        return self.handlers.call(method, path, body, headers=headers or {}, requestContext=context)

    def draw(self, body: object = PROMPT, key: NewKey | None = None) -> int | None:
        """Return the status code of a POST /generate."""
        response = self.call(body=body, key=key)
        return None if response is None else int(response["statusCode"])

    def revoke(self, key: NewKey | None = None) -> None:
        self.keys.revoke("acme", (key or self.made).stored.key_id, by=OPERATOR)
        self.calls.take()

    def state(self) -> tuple[int, list[dict[str, Any]]]:
        """Return what a refused request must leave as it is: the images drawn, and every row."""
        state = self.world.engine.generations, self.world.items("")
        self.calls.take()
        return state


@pytest.fixture
def gateway(handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    return Gateway(handlers, monkeypatch)


def refused(response: Mapping[str, Any] | None) -> bool:
    """Return whether it is the function's 401, which has the same body and challenge as the authorizer's."""
    assert response is not None, "the authorizer looked the key up"
    return outcome(dict(response)) == UNAUTHORIZED and header(dict(response), "WWW-Authenticate") == CHALLENGE


# -- calls -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_a_warm_request_with_a_key_makes_two_calls(gateway: Gateway, limits: TenantLimits) -> None:
    gateway.world.limits = limits
    assert gateway.draw() == 200
    assert gateway.calls.take() == [LOOK_UP, TRANSACTION, TRANSACTION], "the first one of a process"
    for _ in range(3):
        assert gateway.draw() == 200
        assert gateway.calls.take() == [TRANSACTION, TRANSACTION]
    assert settled(gateway.world, "acme")


def test_a_minute_later_the_key_is_looked_up_again(gateway: Gateway) -> None:
    gateway.draw()
    gateway.world.clock.pass_s(KEPT_MS / 1000)
    gateway.calls.take()
    assert gateway.draw() == 200
    assert gateway.calls.take() == [LOOK_UP, TRANSACTION, TRANSACTION]


@pytest.mark.parametrize(("method", "rule"), [each for each in NEEDED if each != ("POST", "/generate")])
def test_every_other_route_looks_the_key_up(gateway: Gateway, method: str, rule: str) -> None:
    gateway.draw()
    gateway.calls.take()
    gateway.call(method, path_of(rule), body_of(method, rule))
    assert gateway.calls.take()[0] == LOOK_UP
    gateway.revoke()
    assert gateway.call(method, path_of(rule), body_of(method, rule)) is None


EVERY: Final[dict[RouteClass, RatePolicy]] = {
    "drawing": RatePolicy("drawing", 5, 20),
    "submitting": RatePolicy("submitting", 5, 20),
    "looking": RatePolicy("looking", 5, 20),
}


@pytest.mark.parametrize(("method", "rule"), NEEDED)
def test_authorization_and_limits_make_at_most_two_calls(gateway: Gateway, method: str, rule: str) -> None:
    """What the route itself does is counted without a limit and without the authorizer. POST /generate has no own."""
    context = {"requestId": "r", "path": "/v1", "authorizer": context_of(roles=["user", "operator"])}
    gateway.draw()
    gateway.calls.take()
    gateway.handlers.call(method, path_of(rule), body_of(method, rule), requestContext=context)
    own = 0 if rule == "/generate" else len(gateway.calls.operations)
    gateway.calls.take()
    gateway.world.limits = TenantLimits(EVERY, Quota(images=100))
    gateway.call(method, path_of(rule), body_of(method, rule))
    assert len(gateway.calls.take()) <= own + 2


# -- keys that end while they are remembered ---------------------------------------------------------------------------


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_a_revoked_key_draws_nothing_from_then_on(gateway: Gateway, limits: TenantLimits) -> None:
    gateway.world.limits = limits
    assert gateway.draw() == 200
    gateway.revoke()
    before = gateway.state()
    assert refused(gateway.call())
    assert gateway.calls.take() == [TRANSACTION]
    assert gateway.state() == before


def test_the_key_of_another_environment_of_the_authorizer_ends_as_well(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Revoking a key reaches every environment, also one that looks it up once more and others that do not."""
    gateway.draw()
    first = authorizer.container
    gateway.revoke()
    other = AuthorizerContainer(first.settings)
    other.clock = first.clock
    monkeypatch.setattr(authorizer, "container", other)
    assert gateway.call() is None
    monkeypatch.setattr(authorizer, "container", first)
    assert refused(gateway.call())
    assert gateway.call("GET", "/models", b"") is None
    assert gateway.call() is None, "a look-up that finds no key forgets it"


Case = tuple[TenantLimits, Callable[[Gateway], dict[str, Any] | None]]
BURST_1: Final = TenantLimits({"drawing": RatePolicy("drawing", 0.01, 1)})
OTHERWISE: Final[dict[str, tuple[Case, tuple[int, str]]]] = {
    "the rate": ((BURST_1, Gateway.call), (429, "rate_limited")),
    "the quota": ((TenantLimits({}, Quota(images=1)), Gateway.call), (429, "quota_exceeded")),
    "the cap": (
        (TenantLimits({}, Quota(images=1)), lambda g: g.call(body=PROMPT | {"num_images_per_prompt": 2})),
        (422, "request_too_expensive"),
    ),
    "no JSON": ((TenantLimits(), lambda g: g.call(body=b"{")), (400, "malformed_json")),
    "a field": ((TenantLimits(), lambda g: g.call(body={"prompt": 1})), (422, "wrong_type")),
    "a media type": (
        (TenantLimits(), lambda g: g.call(headers={"Content-Type": "text/plain"})),
        (415, "unsupported_media_type"),
    ),
    "Accept": ((TenantLimits(), lambda g: g.call(headers={"Accept": "text/html"})), (406, "not_acceptable")),
    "a webhook": ((TenantLimits(), lambda g: g.call(body=PROMPT | HOOK)), (200, "")),
    "an Idempotency-Key": ((TenantLimits(), lambda g: g.call(headers={"Idempotency-Key": "k"})), (200, "")),
    "Prefer": ((TenantLimits(), lambda g: g.call(headers={"Prefer": "respond-async"})), (202, "")),
}


@pytest.mark.parametrize(("case", "otherwise"), OTHERWISE.values(), ids=OTHERWISE)
def test_whoever_has_a_revoked_key_hears_of_nothing_else(
    gateway: Gateway, case: Case, otherwise: tuple[int, str]
) -> None:
    """Whatever the answer to a valid key would be, and at no more calls than with a look-up by the authorizer."""
    limits, call = case
    assert gateway.draw() == 200
    gateway.world.limits = limits
    if limits != TenantLimits():
        gateway.draw(), gateway.draw()
    valid = call(gateway)
    assert valid is not None
    assert (valid["statusCode"], outcome(valid)[1] if otherwise[1] else "") == otherwise
    gateway.revoke()
    before = gateway.state()
    assert refused(call(gateway))
    assert len(gateway.calls.take()) <= 2
    assert gateway.state() == before


def test_a_key_without_the_scope_is_403_until_it_is_revoked(gateway: Gateway) -> None:
    key = gateway.keys.create_key("acme", "reader", by=OPERATOR, scopes=["images:read"])
    for _ in range(2):
        assert gateway.draw(key=key) == 403
    gateway.revoke(key)
    assert refused(gateway.call(key=key))


@pytest.mark.parametrize(("method", "rule"), NEEDED)
def test_no_route_trusts_a_remembered_key(gateway: Gateway, method: str, rule: str) -> None:
    """Also if the authorizer remembered keys for it, or the gateway its answers."""
    gateway.revoke()
    before = gateway.state()
    remembered = context_of(roles=["user", "operator"]) | {
        "tenant": "acme",
        "remembered_key": gateway.made.stored.key_id,
    }
    context = {"requestId": "r", "path": "/v1", "authorizer": remembered}
    assert refused(gateway.handlers.call(method, path_of(rule), body_of(method, rule), requestContext=context))
    assert gateway.state() == before


def test_a_rotated_key_is_valid_until_its_overlap_ends(gateway: Gateway) -> None:
    gateway.draw()
    key_id = gateway.made.stored.key_id
    successor = gateway.keys.rotate("acme", key_id, by=OPERATOR, overlap_s=30)
    gateway.world.clock.pass_s(29)
    assert gateway.draw() == 200
    gateway.world.clock.pass_s(1)
    before = gateway.state()
    assert refused(gateway.call())
    assert gateway.state() == before
    assert gateway.draw(key=successor) == 200


def test_an_overlap_can_be_cut_short(gateway: Gateway) -> None:
    gateway.draw()
    gateway.keys.rotate("acme", gateway.made.stored.key_id, by=OPERATOR)
    assert gateway.draw() == 200
    gateway.revoke()
    assert refused(gateway.call())


@pytest.mark.parametrize("by_earlier_version", [False, True])
def test_a_key_in_its_overlap_makes_two_calls_and_ends_with_it(gateway: Gateway, by_earlier_version: bool) -> None:
    """An earlier version wrote no row of the end: what Authorizer remembers ends all the same."""
    gateway.keys.rotate("acme", gateway.made.stored.key_id, by=OPERATOR, overlap_s=30)
    table = boto3.resource("dynamodb").Table(gateway.world.resources["Table"])
    (end,) = gateway.world.items("KEY_END#")
    if by_earlier_version:
        table.delete_item(Key={name: end[name] for name in ("pk", "sk")})
    gateway.calls.take()
    assert gateway.draw() == 200
    assert gateway.calls.take() == [LOOK_UP, TRANSACTION, TRANSACTION], "the first one of a process"
    assert gateway.draw() == 200
    assert gateway.calls.take() == [TRANSACTION, TRANSACTION]
    gateway.world.clock.pass_s(30)
    assert gateway.call() is None


def test_a_key_revoked_in_its_overlap_draws_nothing_although_it_is_remembered(gateway: Gateway) -> None:
    gateway.keys.rotate("acme", gateway.made.stored.key_id, by=OPERATOR, overlap_s=30)
    assert gateway.draw() == 200
    gateway.revoke()
    before = gateway.state()
    assert refused(gateway.call())
    assert gateway.state() == before


def test_a_key_that_ends_after_the_request_was_admitted_gets_its_images(gateway: Gateway) -> None:
    gateway.draw()
    gateway.world.engine.during = lambda step: gateway.revoke() if step == 1 else None
    assert gateway.draw() == 200
    assert settled(gateway.world, "acme")
    assert refused(gateway.call())


def test_while_the_table_does_not_answer_a_remembered_key_is_503(gateway: Gateway) -> None:
    gateway.draw()
    for body in (PROMPT, b"{"):
        gateway.calls.lose_replies(4)
        assert gateway.draw(body) == 503
        gateway.calls.lose_replies(0)


def test_revoking_a_key_outlasts_the_conflicts_with_its_own_requests(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagegen.aws.table._LONGEST_PAUSE_S", 0.0)
    gateway.draw()
    gateway.calls.conflict(39, "PutItem")
    gateway.revoke()
    assert refused(gateway.call())


def test_conflicts_that_do_not_end_keep_no_key_from_ending(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator hears of them. Every look-up finds the key ended, and revoking it again ends what is remembered."""
    monkeypatch.setattr("imagegen.aws.table._LONGEST_PAUSE_S", 0.0)
    gateway.draw()
    gateway.calls.conflict(40, "PutItem")
    with pytest.raises(StorageUnavailable):
        gateway.revoke()
    assert gateway.draw() == 200, "still remembered"
    gateway.world.clock.pass_s(1)
    gateway.revoke()
    assert refused(gateway.call())
    assert gateway.call("GET", "/models", b"") is None
    assert gateway.call() is None
