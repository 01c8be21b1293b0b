"""The story of jobs against table, queue and bucket made from the template."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from imagegen import jobs
from imagegen.aws_table import DynamoLeases
from imagegen.deadline import Deadline
from imagegen.errors import (
    GenerationTimeout,
    IdempotencyInProgress,
    IdempotencyKeyReuse,
    JobAlreadyFinal,
    JobNotFinal,
    JobNotFound,
    ModelUnavailable,
    ResultExpired,
    StorageUnavailable,
)
from imagegen.idempotency import KeyedBody
from imagegen.insist import PAUSES_S
from imagegen.job_run import Run
from imagegen.jobs import LeaseLost
from imagegen.request import GenerateRequest
from tests.support.fakes import PLENTY
from tests.support.job_world import HOOK, JobWorld

REQUEST = GenerateRequest.parse({"prompt": "a red circle", "num_inference_steps": 4})


@pytest.fixture
def world(resources: dict[str, str]) -> JobWorld:
    return JobWorld(resources)


def keyed(body: str = "body") -> KeyedBody:
    made = KeyedBody.of("key", "/generate", {"prompt": body})
    assert made is not None
    return made


def silent() -> None:
    raise EndpointConnectionError(endpoint_url="https://table")


def fail_the(
    world: JobWorld, operation: str, nth: int = 1, *, times: int = 1, after: bool = False
) -> Callable[[], int]:
    """From the n-th on, so many calls of an operation get no answer: before they are sent, or after AWS gave one."""
    client = world.store._client
    real, calls = getattr(client, operation), 0

    def call(**request: object) -> object:
        nonlocal calls
        calls += 1
        if not nth <= calls < nth + times:
            return real(**request)
        if after:
            with suppress(ClientError):
                real(**request)
        silent()
        return None

    setattr(client, operation, call)
    return lambda: calls


def test_a_job_from_submission_to_result(world: JobWorld) -> None:
    job = world.submit(metadata={"order": "A-17"}, webhook=HOOK)
    assert (job.state, job.sent, job.attempt) == ("queued", True, 0)
    (message,) = world.messages()
    assert message["Body"] == {"version": 1, "tenant": "alice", "job_id": job.job_id}
    world.clock.pass_s(3)
    done = world.run(job)
    assert (done.state, done.attempt, done.done_with) == ("succeeded", 1, True)
    info = world.jobs.describe(done)
    assert info.result is not None
    assert info.result.id == job.job_id
    assert info.result.timings.queue_ms == 3000
    assert info.result.images[0].url.startswith("https://")
    assert info.metadata == info.result.metadata == {"order": "A-17"}
    assert world.webhooks.told == [("alice", job.job_id, HOOK["url"], "job.succeeded", "succeeded")]
    (bill,) = world.items("BILL#")
    assert (bill["images"], bill["pk"]) == (1, f"BILL#alice#{job.job_id}")


def test_nothing_of_the_prompt_is_in_message_keys_or_bill(world: JobWorld) -> None:
    world.run(world.submit(prompt="canary"))
    assert "canary" not in str(world.messages())
    assert not [item for item in world.items("") if "canary" in str(item["pk"])]
    assert "canary" not in str(world.items("BILL#"))


def test_a_message_that_comes_twice_changes_nothing(world: JobWorld) -> None:
    job = world.submit()
    first = world.run(job)
    assert world.run(job) == first
    assert (world.engine.generations, len(world.items("BILL#"))) == (1, 1)


def test_two_workers_at_once_draw_once(world: JobWorld) -> None:
    job = world.submit()

    def second_worker(step: int) -> None:
        world.run(job)

    world.engine.during = second_worker
    assert world.run(job).state == "succeeded"
    assert world.engine.generations == 1


def test_cancelling_stops_at_the_next_step(world: JobWorld) -> None:
    job = world.submit(webhook=HOOK)

    def cancel(step: int) -> None:
        world.clock.pass_s(1)
        if step == 2:
            assert world.jobs.cancel("alice", job.job_id).state == "cancelled"

    world.engine.during = cancel
    assert world.run(job).state == "cancelled"
    assert world.engine.steps == 2
    assert world.items("BILL#") == []
    assert [told[3] for told in world.webhooks.told] == ["job.cancelled"]
    assert world.jobs.cancel("alice", job.job_id).state == "cancelled"
    with pytest.raises(JobAlreadyFinal):
        world.jobs.cancel("alice", world.run(world.submit()).job_id)


def test_progress_is_told_while_it_runs(world: JobWorld) -> None:
    job = world.submit()
    seen = []

    def look(step: int) -> None:
        world.clock.pass_s(2)
        seen.append(world.jobs.describe(world.get(job)).progress)

    world.engine.during = look
    world.run(job)
    assert [(each.phase, each.step, each.of, each.percent) for each in seen if each] == [
        ("load", 0, 0, 0), ("step", 1, 4, 25), ("step", 2, 4, 50), ("step", 3, 4, 75),
    ]  # fmt: skip
    assert [each.eta_ms for each in seen if each] == [None, None, 4000, 2000]


def test_a_run_that_meets_its_deadline_is_handed_on_and_uses_up_no_attempt_but_ends(world: JobWorld) -> None:
    job = world.submit()
    world.messages()
    left = 10.0

    def slow(step: int) -> None:
        nonlocal left
        left -= 4

    world.engine.during = slow
    deadline = Deadline(lambda: left)
    handed_on = world.run(job, deadline)
    assert (handed_on.state, handed_on.sent) == ("queued", True)
    assert (handed_on.attempt, handed_on.hand_ons) == (0, 1)
    assert len(world.messages()) == 1
    last = handed_on
    while not last.final:
        left = 10.0
        last = world.run(job, deadline)
    assert (last.attempt, last.hand_ons) == (1, world.limits.max_hand_ons)
    assert last.state == "failed"
    assert last.error is not None
    assert (last.error["code"], last.error["status"]) == ("generation_timeout", 504)
    assert "fewer steps" in last.error["detail"]


@pytest.mark.parametrize("cache", ["refresh", "off"])
def test_a_run_after_a_deadline_draws_anew_where_the_caller_wants_no_cache(world: JobWorld, cache: str) -> None:
    world.run(world.submit(seed=7))
    job, left = world.submit(seed=7, cache=cache), 10.0

    def hurry(step: int) -> None:
        nonlocal left
        left = 0.0

    world.engine.during = hurry
    assert world.run(job, Deadline(lambda: left)).hand_ons == 1
    world.engine.during = lambda step: None
    assert _cached(world, world.run(job)) is False
    assert world.engine.generations == 3


def test_a_run_after_a_setback_takes_what_that_one_stored(world: JobWorld) -> None:
    job = world.submit(seed=7, cache="refresh")
    fail_the(world, "transact_write_items", times=1 + len(PAUSES_S))
    with suppress(StorageUnavailable):
        world.run(job)
    world.clock.pass_s(30)
    world.jobs.sweep(PLENTY)
    assert _cached(world, world.run(job)) is True
    assert world.engine.generations == 1


def _cached(world: JobWorld, job: jobs.Job) -> bool:
    result = world.jobs.describe(job).result
    assert result is not None
    return result.cached


def test_no_time_left_is_no_attempt(world: JobWorld) -> None:
    job = world.submit()
    with pytest.raises(GenerationTimeout):
        world.run(job, Deadline(lambda: 0.0))
    assert world.get(job) == job


def test_a_silent_store_uses_up_no_attempt(world: JobWorld) -> None:
    job = world.submit()
    world.messages()
    world.engines.failing = StorageUnavailable("silent")
    for setbacks in range(1, 9):
        job = world.run(job)
        assert (job.state, job.attempt, job.setbacks) == ("queued", 0, setbacks)
    world.engines.failing = None
    assert world.run(job).state == "succeeded"


def test_what_cannot_help_itself_fails_at_once(world: JobWorld) -> None:
    world.engines.failing = ModelUnavailable("The model cannot be loaded.")
    job = world.run(world.submit(webhook=HOOK))
    assert job.state == "failed"
    assert job.error == {"code": "model_unavailable", "status": 503, "detail": "The model cannot be loaded."}
    assert [told[3] for told in world.webhooks.told] == ["job.failed"]


def test_a_crash_is_tried_again_a_few_times_and_quotes_nothing(world: JobWorld) -> None:
    def crash(step: int) -> None:
        raise ValueError("canary")

    world.engine.during = crash
    job = world.submit()
    for _ in range(world.limits.max_attempts):
        assert not world.get(job).final
        world.run(job)
    done = world.get(job)
    assert done.state == "failed"
    assert done.error is not None
    assert done.error["code"] == "internal_error"
    assert "canary" not in str(world.items(""))
    assert len(world.crashes) == world.limits.max_attempts


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("operation", ["get_item", "update_item", "transact_write_items"])
def test_a_run_insists_on_its_start_and_its_end(world: JobWorld, operation: str, after: bool) -> None:
    job = world.submit()
    fail_the(world, operation, times=len(PAUSES_S), after=after)
    done = world.run(job)
    assert (done.state, done.attempt, done.setbacks) == ("succeeded", 1, 0)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("operation", "nth"), [("update_item", 1), ("transact_write_items", 1)])
def test_a_lost_write_loses_no_job_and_bills_it_once(world: JobWorld, operation: str, nth: int, after: bool) -> None:
    """Claim and terminal write, each lost before it is sent or with its acknowledgement only."""
    job = world.submit()
    fail_the(world, operation, nth, times=1 + len(PAUSES_S), after=after)
    with suppress(StorageUnavailable):
        world.run(job)
    for _ in range(5):
        world.clock.pass_s(30)
        world.jobs.sweep(PLENTY)
        if not world.get(job).final:
            world.run(job)
    assert world.get(job).state == "succeeded"
    assert len(world.items("BILL#")) == 1
    assert world.engine.generations == 1


@pytest.mark.parametrize("after", [False, True])
def test_a_lost_acknowledgement_of_a_submission_makes_no_second_job(world: JobWorld, after: bool) -> None:
    fail_the(world, "transact_write_items", after=after)
    with pytest.raises(StorageUnavailable):
        world.jobs.submit(REQUEST, tenant="alice", keyed=keyed())
    again = world.jobs.submit(REQUEST, tenant="alice", keyed=keyed())
    assert again.replayed == after
    assert len(world.items("JOB#")) == 1


def test_the_sweeper_sends_what_was_not_sent(world: JobWorld) -> None:
    real, world.jobs._queue = world.jobs._queue, Silent()
    job = world.submit()
    world.jobs._queue = real
    assert not job.sent
    assert world.jobs.sweep(PLENTY).jobs == 0
    world.clock.pass_s(world.limits.unsent_s)
    assert world.jobs.sweep(PLENTY).jobs == 1
    assert world.get(job).sent
    assert len(world.messages()) == 1
    assert world.jobs.sweep(PLENTY).jobs == 0


def test_the_sweeper_restarts_what_a_dead_worker_left_and_gives_up_at_last(world: JobWorld) -> None:
    job = world.submit(webhook=HOOK)
    for attempt in range(1, world.limits.max_attempts + 1):
        world.store.change(world.get(job), lambda seen: jobs.claimed(seen, "dead", world.clock(), world.limits))
        world.clock.pass_s(world.limits.lease_s - 1)
        assert world.jobs.sweep(PLENTY).jobs == 0
        world.clock.pass_s(1)
        swept = world.jobs.sweep(PLENTY)
        assert swept.jobs == 1
        assert world.get(job).attempt == attempt
    given_up = world.get(job)
    assert swept.given_up == [job.job_id]
    assert (given_up.state, given_up.done_with) == ("failed", True)
    assert [told[3] for told in world.webhooks.told] == ["job.failed"]


def test_a_failure_of_aws_that_does_not_end_fails_the_job_and_tells_it(world: JobWorld) -> None:
    """Each run draws anew: sixty and one more, and an end."""
    world.engines.failing = StorageUnavailable("AWS does not answer.")
    job = world.submit(webhook=HOOK)
    while not world.get(job).final:
        world.clock.pass_s(jobs.backoff_s(world.get(job).setbacks, world.limits))
        world.run(job)
    last = world.get(job)
    assert last.error == {"code": "storage_unavailable", "status": 503, "detail": "AWS does not answer."}
    assert (last.attempt, last.setbacks) == (1, world.limits.max_setbacks)
    assert [told[3] for told in world.webhooks.told] == ["job.failed"]


def test_a_long_queue_fails_nobody(world: JobWorld) -> None:
    job = world.submit(webhook=HOOK)
    for _ in range(7 * 24 - 3):
        world.clock.pass_s(world.limits.resend_s)
        assert world.jobs.sweep(PLENTY).given_up == []
    assert world.get(job).state == "queued"
    assert len(world.messages()) == 7 * 24 - 2
    world.clock.pass_s(world.limits.resend_s)
    assert world.jobs.sweep(PLENTY).given_up == [job.job_id]
    assert [told[3] for told in world.webhooks.told] == ["job.failed"]


def test_a_row_that_nobody_can_read_stops_no_other(world: JobWorld) -> None:
    broken, job = world.submit(), world.submit()
    table = boto3.resource("dynamodb").Table(world.resources["Table"])
    table.update_item(
        Key={"pk": f"JOB#alice#{broken.job_id}", "sk": "JOB"},
        UpdateExpression="SET metadata = :broken",
        ExpressionAttributeValues={":broken": "canary"},
    )
    world.messages()
    world.clock.pass_s(world.limits.resend_s)
    assert world.jobs.sweep(PLENTY).jobs == 2
    assert [message["Body"]["job_id"] for message in world.messages()] == [job.job_id]
    assert [type(error).__name__ for error in world.crashes] == ["JSONDecodeError"]


def test_who_waits_for_another_keeps_its_lease_and_hears_of_a_cancellation(world: JobWorld) -> None:
    run = Run.claim(world.submit(), world.store, world.limits, world.clock)
    for _ in range(60):
        world.clock.pass_s(10)
        run.on_step(0, 4)
        assert world.jobs.sweep(PLENTY).jobs == 0
    world.jobs.cancel("alice", run.job.job_id)
    world.clock.pass_s(10)
    with pytest.raises(LeaseLost):
        run.on_step(0, 4)


@pytest.mark.parametrize("code", ["TransactionCanceledException", "TransactionConflictException"])
def test_a_transaction_in_the_way_is_waited_for(world: JobWorld, code: str) -> None:
    refusal = {"Error": {"Code": code}, "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}]}
    operation = "transact_write_items" if "Canceled" in code else "update_item"
    job = world.submit()
    client = world.store._client
    real = getattr(client, operation)
    refused: list[str] = []

    def contested(**request: object) -> object:
        if len(refused) < 2:
            refused.append(operation)
            raise ClientError(refusal, operation)  # type: ignore[arg-type]
        return real(**request)

    setattr(client, operation, contested)
    done = world.run(job)
    assert (done.state, done.attempt, len(refused)) == ("succeeded", 1, 2)


def test_the_sweeper_tells_what_could_not_be_told(world: JobWorld) -> None:
    world.webhooks.failing = StorageUnavailable("silent")
    job = world.run(world.submit(webhook=HOOK))
    assert job.webhook_due
    world.webhooks.failing = None
    world.clock.pass_s(world.limits.unsent_s)
    world.jobs.sweep(PLENTY)
    assert (len(world.webhooks.told), world.get(job).webhook_due) == (1, False)
    assert world.jobs.sweep(PLENTY).jobs == 0


def test_the_sweeper_forgets_what_has_expired_and_nothing_else(world: JobWorld) -> None:
    expiring = world.run(world.submit())
    world.clock.now = 1000 * expiring.expires_at - 1
    kept = world.run(world.submit())
    assert world.jobs.sweep(PLENTY).jobs == 0
    world.clock.pass_s(world.limits.unsent_s)
    unsent = world.submit()
    world.clock.pass_s(world.limits.resend_s)
    assert world.store.due(1) == [("alice", unsent.job_id)]  # whoever waits comes first
    assert world.jobs.sweep(PLENTY).jobs == 2
    assert {item["job_id"] for item in world.items("JOB#")} == {kept.job_id, unsent.job_id}
    assert world.get(kept) == kept
    assert len(world.items("BILL#")) == 2


def test_every_item_names_its_tenant_and_only_jobs_are_listed(world: JobWorld) -> None:
    job = world.run(world.jobs.submit(REQUEST, tenant="alice", keyed=keyed()).job)
    DynamoLeases(world.resources["Table"], world.clock).take("alice", "name", "me", 20)
    items = world.items("")
    assert {str(item["pk"]).partition("#")[0] for item in items} == {"JOB", "IDEMPOTENCY", "BILL", "LEASE"}
    assert {item["tenant"] for item in items} == {"alice"}
    assert world.store.page("alice", limit=10, after=None, state=None).jobs == [job]


def test_a_dead_letter_fails_its_job_once(world: JobWorld) -> None:
    job = world.submit(webhook=HOOK)
    for _ in range(2):
        world.jobs.dead_letter("alice", job.job_id)
    assert world.get(job).state == "failed"
    assert len(world.webhooks.told) == 1
    done = world.run(world.submit())
    world.jobs.dead_letter("alice", done.job_id)
    assert world.get(done) == done
    world.jobs.dead_letter("alice", "no-such-job")


def test_another_tenants_job_does_not_exist(world: JobWorld) -> None:
    job = world.run(world.submit())
    for tenant, job_id in [("bob", job.job_id), ("alice", "x" * 26), ("alice", job.job_id.lower()), ("alice#", "")]:
        for call in (world.jobs.get, world.jobs.cancel, world.jobs.delete):
            with pytest.raises(JobNotFound) as caught:
                call(tenant, job_id)
            assert caught.value.detail == "There is no such job."


def test_no_url_is_given_for_images_that_have_expired(world: JobWorld) -> None:
    job = world.run(world.submit())
    (signed,) = world.jobs.summarize(job).result.images  # type: ignore[union-attr]
    world.clock.pass_s(7 * 24 * 3600 - 60)
    again = world.run(world.submit(seed=signed.seed + 1))
    world.clock.pass_s(120)
    with pytest.raises(ResultExpired):
        world.jobs.describe(job)
    told = world.jobs.summarize(again)
    assert (told.status, told.result) == ("succeeded", None)
    assert told.error is not None
    assert (told.error.code, told.error.status) == ("result_expired", 410)


def test_an_expired_job_is_gone_before_it_is_deleted(world: JobWorld) -> None:
    job = world.submit()
    world.clock.pass_s(8 * 24 * 3600)
    with pytest.raises(JobNotFound):
        world.get(job)
    assert world.jobs.list("alice", limit=10) == ([], None)


def test_only_a_finished_job_can_be_deleted(world: JobWorld) -> None:
    job = world.submit()
    with pytest.raises(JobNotFinal):
        world.jobs.delete("alice", job.job_id)
    with pytest.raises(JobNotFinal):
        world.store.remove(job)
    world.run(job)
    world.jobs.delete("alice", job.job_id)
    with pytest.raises(JobNotFound):
        world.jobs.delete("alice", job.job_id)


def test_a_job_deleted_while_it_is_cancelled_and_running_stays_deleted(world: JobWorld) -> None:
    job = world.submit()

    def delete(step: int) -> None:
        world.clock.pass_s(1)
        if step == 2:
            world.jobs.cancel("alice", job.job_id)
            world.jobs.delete("alice", job.job_id)

    world.engine.during = delete
    with pytest.raises(JobNotFound):
        world.run(job)
    assert world.engine.steps == 2


def test_jobs_are_listed_newest_first_in_pages_and_by_state(world: JobWorld) -> None:
    ids: list[str] = []
    for index in range(7):
        world.clock.pass_s(1)
        job = world.submit(seed=index)
        ids.insert(0, job.job_id)
        if index % 2:
            world.run(job)
    world.submit(tenant="bob")
    first, cursor = world.jobs.list("alice", limit=4)
    rest, end = world.jobs.list("alice", limit=4, after=cursor)
    assert [job.job_id for job in [*first, *rest]] == ids
    assert end is None
    done, more = world.jobs.list("alice", limit=2, state="succeeded")
    others, _ = world.jobs.list("alice", limit=2, state="succeeded", after=more)
    assert [job.job_id for job in [*done, *others]] == ids[1::2]


def test_the_same_key_gives_the_same_job_and_another_body_is_refused(world: JobWorld) -> None:
    first = world.jobs.submit(REQUEST, tenant="alice", keyed=keyed())
    again = world.jobs.submit(REQUEST, tenant="alice", keyed=keyed())
    assert (first.replayed, again.replayed) == (False, True)
    assert first.job.job_id == again.job.job_id
    assert not world.jobs.submit(REQUEST, tenant="bob", keyed=keyed()).replayed
    with pytest.raises(IdempotencyKeyReuse):
        world.jobs.submit(REQUEST, tenant="alice", keyed=keyed("another"))
    world.clock.pass_s(24 * 3600)
    assert not world.jobs.submit(REQUEST, tenant="alice", keyed=keyed("another")).replayed


def test_a_key_whose_job_was_deleted_says_so(world: JobWorld) -> None:
    job = world.run(world.jobs.submit(REQUEST, tenant="alice", keyed=keyed()).job)
    world.jobs.delete("alice", job.job_id)
    with pytest.raises(ResultExpired):
        world.jobs.submit(REQUEST, tenant="alice", keyed=keyed())


def test_a_keyed_request_is_drawn_once_and_is_in_progress_meanwhile(world: JobWorld) -> None:
    def generate() -> tuple[str, bool]:
        submitted = world.jobs.run_now(REQUEST, tenant="alice", keyed=keyed(), service=world.service, deadline=PLENTY)
        return submitted.job.state, submitted.replayed

    def again(step: int) -> None:
        with pytest.raises(IdempotencyInProgress):
            generate()

    world.engine.during = again
    assert generate() == ("succeeded", False)
    assert generate() == ("succeeded", True)
    assert (world.engine.generations, len(world.items("BILL#")), world.messages()) == (1, 1, [])


def test_identical_requests_at_once_are_drawn_once(world: JobWorld) -> None:
    entered, go = threading.Event(), threading.Event()

    def wait(step: int) -> None:
        entered.set()
        go.wait(10)

    world.engine.during = wait
    request = REQUEST.model_copy(update={"seed": 7})
    cached = []

    def ask() -> None:
        cached.append(world.service.produce(request, tenant="alice", deadline=PLENTY).cached)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert entered.wait(10)
    go.set()
    for thread in threads:
        thread.join(20)
    assert sorted(cached) == [False] + [True] * 7
    assert world.engine.generations == 1
    assert world.items("LEASE#") == []


class Silent:
    def put(self, tenant: str, job_id: str, delay_s: int = 0) -> None:
        raise StorageUnavailable("silent")

    def postpone(self, receipt: str, seconds: int) -> None:
        raise StorageUnavailable("silent")

    def bury(self, body: str, reason: str) -> None:
        raise StorageUnavailable("silent")
