"""Rows and messages that version 0.1.0 wrote stay readable, and rows of newer versions are not damaged."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from ulid import ULID

from imagegen.aws.due_shards import due_shard, due_shards
from imagegen.aws.job_item import from_item, to_item
from imagegen.generation.request import Webhook
from imagegen.jobs import states
from imagegen.jobs.job import Job, Progress
from imagegen.jobs.message import JobMessage
from imagegen.jobs.ports import DueKind
from imagegen.limits.quota import Amount, Reservation
from imagegen.origin import UNKNOWN, Origin
from imagegen.webhooks.message import FinalJob, WebhookMessage
from tests.conftest import ROOT
from tests.support.job_states import JOB_ID, NOW, RESULT, TIMING, new, renewed_at, running

STORED = json.loads((ROOT / "tests" / "support" / "data" / "stored-0.1.0.json").read_text())
"""Written by the code of version 0.1.0: its `to_item`, `bill` and message bodies."""
ORIGIN = Origin("r", "t")


def read(name: str) -> dict[str, Any]:
    """A stored item as boto3 returns it."""
    return {key: Decimal(value) if type(value) is int else value for key, value in STORED["items"][name].items()}


def job(name: str) -> Job:
    return from_item(read(name))


@pytest.mark.parametrize("name", STORED["items"])
def test_a_stored_item_survives_reading_and_writing_byte_for_byte(name: str) -> None:
    assert to_item(job(name)) | {"due_shard": STORED["items"][name]["due_shard"]} == STORED["items"][name]


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("queued", "requeued", "failed"), "open"),
        (("queued_every_field",), "sent"),
        (("running", "running_without_estimate"), "running"),
        (("succeeded", "failed_notified"), "done"),
    ],
)
def test_the_sweeper_finds_a_job_by_what_it_must_do(names: tuple[str, ...], kind: DueKind) -> None:
    for name in names:
        shard = to_item(job(name))["due_shard"]
        assert shard in due_shards(kind)
        assert shard.startswith(f"{kind}#")


def test_the_jobs_of_a_kind_are_spread_evenly_over_its_shards() -> None:
    """So that no key of index by_due gets more than its part of the writes."""
    shards = Counter(due_shard("running", str(ULID(Random(number).randbytes(16)))) for number in range(4000))
    assert len(shards) == 4
    assert all(900 < count < 1100 for count in shards.values())


def test_documents_become_typed_fields() -> None:
    every_field, failed, succeeded = job("queued_every_field"), job("failed"), job("succeeded")
    assert every_field.request is not None
    assert (every_field.request.seed, every_field.request.guidance_scale, every_field.request.cache) == (
        7,
        7,
        "refresh",
    )
    assert every_field.webhook == Webhook(url="https://example.com/hooks/images", events=["job.failed"])
    assert every_field.metadata == {"order": "17", "名": "値"}
    assert failed.error is not None
    assert (failed.error.code, failed.error.status) == ("internal_error", 500)
    assert failed.webhook_due
    assert not job("failed_notified").webhook_due
    assert succeeded.result is not None
    assert succeeded.result.images[0].seed == 7
    charge = states.charge(succeeded)
    assert charge is not None
    added = {"model": "demo", "quota_month": succeeded.created_at.strftime("%Y-%m")}
    assert states.bill(succeeded, charge) == STORED["bill"] | added


def test_renamed_fields_keep_their_attributes() -> None:
    requeued = job("requeued")
    assert (requeued.aws_failures, requeued.deadline_requeues, requeued.attempt) == (1, 1, 0)
    assert {"setbacks", "hand_ons"} <= to_item(requeued).keys()
    assert not {"aws_failures", "deadline_requeues"} & to_item(requeued).keys()


def test_numbers_are_plain_integers() -> None:
    running = job("running")
    assert {type(getattr(running, name)) for name in ("attempt", "lease_until", "due_at", "expires_at")} == {int}
    assert running.progress is not None
    assert running.progress.eta_ms == 1200


@pytest.mark.parametrize("request_json", ['{"prompt": "a circle", "field_of_a_newer_version": 1}', '{"prompt": 7}'])
def test_a_request_that_cannot_be_read_is_kept_and_not_written_back(request_json: str) -> None:
    newer = from_item(read("queued") | {"request": request_json, "attribute_of_a_newer_version": True})
    assert newer.request is None
    assert "request" not in to_item(newer)
    assert newer.metadata == {}


@pytest.mark.parametrize(("name", "attribute"), [("succeeded", "result"), ("failed", "error")])
@pytest.mark.parametrize("document", ["{}", '{"new": 1}'])
def test_a_result_or_error_that_cannot_be_read_is_not_written_back(name: str, attribute: str, document: str) -> None:
    newer = from_item(read(name) | {attribute: document})
    assert getattr(newer, attribute) is None
    assert attribute not in to_item(newer)


def test_messages_in_flight_are_read() -> None:
    message = JobMessage.parse(STORED["messages"]["job"])
    assert (message.tenant, message.job_id) == ("0123456789abcdef", "01KAJ9X2S4QZ8W3V5N7M6K1H0G")
    assert json.loads(message.body()) == json.loads(STORED["messages"]["job"])
    webhook = WebhookMessage.parse(STORED["messages"]["webhook"])
    assert webhook.webhook_id == "msg_01KAJ9X2S4QZ8W3V5N7M6K1H0G"
    assert webhook.body() == STORED["messages"]["webhook"]


@pytest.mark.parametrize("document", ["{}", '{"id": 1}', "no JSON"])
def test_a_reservation_that_cannot_be_read_is_left_to_the_sweeper(document: str) -> None:
    newer = from_item(to_item(new()) | {"reserved": document})
    assert newer.reserved is None
    assert "reserved" not in to_item(newer)
    assert newer.quota_month == newer.created_at.strftime("%Y-%m")


def test_a_job_of_an_earlier_version_has_no_origin() -> None:
    for name in STORED["items"]:
        assert job(name).origin == UNKNOWN


@pytest.mark.parametrize("origin", [ORIGIN, Origin("r"), Origin(trace_id="t")])
def test_the_origin_survives_every_change_of_the_job(origin: Origin) -> None:
    written = replace(new(url="https://example.com/hook", events=["job.succeeded"]), origin=origin)
    ended = states.succeeded(states.claimed(written, "me", NOW, TIMING), "me", NOW, TIMING, RESULT)
    assert from_item(to_item(ended)).origin == origin
    carried = WebhookMessage.parse(WebhookMessage.of(ended).body()).job()
    assert carried is not None
    assert carried.origin == origin


def test_the_origin_adds_one_attribute_that_earlier_versions_do_not_read() -> None:
    """They ignore unknown attributes, and a change writes only attributes that differ."""
    written = replace(new(), origin=ORIGIN)
    added = to_item(written).items() - to_item(new()).items()
    assert added == {("origin", '{"request_id":"r","trace_id":"t"}')}
    assert to_item(states.claimed(written, "me", NOW, TIMING))["origin"] == to_item(written)["origin"]


def test_earlier_versions_ignore_the_origin_in_a_webhooks_message() -> None:
    hook = {"url": "https://example.com/hook", "events": ["job.succeeded"]}
    ended = states.succeeded(states.claimed(new(**hook), "me", NOW, TIMING), "me", NOW, TIMING, RESULT)
    plain, named = (json.loads(WebhookMessage.of(replace(ended, origin=each)).body()) for each in (UNKNOWN, ORIGIN))
    assert named["final_job"].pop("origin") == {"request_id": "r", "trace_id": "t"}
    assert named == plain
    assert FinalJob.model_config["extra"] == "ignore"


@pytest.mark.parametrize(
    ("document", "origin"),
    [
        ('{"request_id": "r", "of_a_newer_version": 1}', Origin("r")),
        ('{"request_id": 7}', UNKNOWN),
        ("no JSON", UNKNOWN),
        ("[]", UNKNOWN),
        (7, UNKNOWN),
    ],
)
def test_an_origin_of_a_newer_version_is_read_as_far_as_it_is_known(document: object, origin: Origin) -> None:
    assert from_item(to_item(new()) | {"origin": document}).origin == origin


def test_a_job_is_read_as_it_was_written() -> None:
    reservation = Reservation.made("alice", JOB_ID, Amount.of(2, "0.15"), now_ms=NOW, lasts_s=60, is_job=True)
    reserved = replace(new(), reserved=reservation)
    watched = replace(running(), progress=Progress(3, 25, preview="data:image/webp;base64,UklGRg=="))
    for written in (
        new(),
        reserved,
        watched,
        renewed_at(running(), 5),
        states.succeeded(running(), "me", NOW, TIMING, RESULT),
    ):
        assert from_item(to_item(written) | {"attribute_of_a_newer_version": 1}) == written
    assert "prompt" not in str(to_item(new())["pk"])


def test_a_job_keeps_its_version_of_the_model_and_one_of_an_earlier_release_has_none() -> None:
    item = to_item(replace(new(), version="demo@6cc6991b014f"))
    assert (item["version"], from_item(item).version) == ("demo@6cc6991b014f", "demo@6cc6991b014f")
    assert "version" not in to_item(replace(new(), version=""))
    assert job("succeeded").version == ""
