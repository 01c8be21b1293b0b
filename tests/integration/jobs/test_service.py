"""Job submission, queries, listing, and deletion, against the table, queue, and bucket of the template."""

from __future__ import annotations

from typing import Any

import pytest

from imagegen.aws.leases import DynamoLeases
from imagegen.errors import (
    GenerationFailed,
    GenerationTooLong,
    IdempotencyKeyReuse,
    InternalError,
    JobNotFinal,
    JobNotFound,
    ModelUnavailable,
    ResultExpired,
    ServiceError,
    StorageUnavailable,
)
from imagegen.jobs import states
from imagegen.jobs.job import Job, JobError
from imagegen.jobs.ports import Page
from imagegen.jobs.service import Submitted
from tests.support.job_faults import fail_calls
from tests.support.job_requests import PLAN, keyed
from tests.support.job_world import JobWorld


def test_the_prompt_is_in_no_message_key_or_bill(world: JobWorld) -> None:
    world.run(world.submit(prompt="canary"))
    assert "canary" not in str(world.messages())
    assert not [item for item in world.items("") if "canary" in str(item["pk"])]
    assert "canary" not in str(world.items("BILL#"))


@pytest.mark.parametrize("after", [False, True])
def test_a_submission_whose_response_was_lost_creates_no_second_job(world: JobWorld, after: bool) -> None:
    fail_calls(world, "transact_write_items", after=after)
    with pytest.raises(StorageUnavailable):
        world.jobs.submit(PLAN, tenant="alice", fingerprint=keyed())
    again = world.jobs.submit(PLAN, tenant="alice", fingerprint=keyed())
    assert again.replayed == after
    assert len(world.items("JOB#")) == 1


def test_the_same_key_returns_the_same_job_and_rejects_another_body(world: JobWorld) -> None:
    first = world.jobs.submit(PLAN, tenant="alice", fingerprint=keyed())
    again = world.jobs.submit(PLAN, tenant="alice", fingerprint=keyed())
    assert (first.replayed, again.replayed) == (False, True)
    assert first.job.job_id == again.job.job_id
    assert not world.jobs.submit(PLAN, tenant="bob", fingerprint=keyed()).replayed
    with pytest.raises(IdempotencyKeyReuse):
        world.jobs.submit(PLAN, tenant="alice", fingerprint=keyed("another"))
    world.clock.pass_s(24 * 3600)
    assert not world.jobs.submit(PLAN, tenant="alice", fingerprint=keyed("another")).replayed


def submit_keyed(world: JobWorld, prompt: str = "body") -> Submitted:
    return world.jobs.submit(PLAN, tenant="alice", fingerprint=keyed(prompt))


def fail_keyed(world: JobWorld, error: ServiceError) -> Job:
    """Submit a keyed job, and fail it with `error`."""
    job = submit_keyed(world).job
    failure = JobError.of(error)
    return world.store.change(job, lambda stored: states.failed(stored, world.clock(), world.timing, failure))


@pytest.mark.parametrize("error", [ModelUnavailable("damaged"), StorageUnavailable("down"), InternalError()])
def test_the_key_of_a_job_that_the_service_failed_creates_one_new_job(world: JobWorld, error: ServiceError) -> None:
    failed = fail_keyed(world, error)
    world.clock.pass_s(23 * 3600)
    first, again = submit_keyed(world), submit_keyed(world)
    assert (first.replayed, again.replayed) == (False, True)
    assert first.job.job_id == again.job.job_id != failed.job_id
    assert world.get(failed) == failed
    with pytest.raises(IdempotencyKeyReuse):
        submit_keyed(world, "another")
    world.clock.pass_s(23 * 3600)
    assert submit_keyed(world).replayed


@pytest.mark.parametrize("error", [GenerationTooLong(), GenerationFailed()])
def test_the_key_of_a_job_that_failed_because_of_its_request_is_kept(world: JobWorld, error: ServiceError) -> None:
    failed = fail_keyed(world, error)
    assert submit_keyed(world) == Submitted(failed, replayed=True)


def test_the_key_of_a_failed_job_is_not_given_to_another_request(world: JobWorld) -> None:
    failed = fail_keyed(world, InternalError())
    with pytest.raises(IdempotencyKeyReuse):
        submit_keyed(world, "another")
    assert [item["job_id"] for item in world.items("JOB#")] == [failed.job_id]


def test_concurrent_retries_of_a_failed_key_create_one_job(world: JobWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second retry runs between the first one's look-up and its write."""
    fail_keyed(world, InternalError())
    real, calls, winners = world.store._client.transact_write_items, list[Any](), list[Submitted]()

    def contested(**request: Any) -> Any:
        calls.append(request)
        if len(calls) == 2:
            monkeypatch.setattr(world.store._client, "transact_write_items", real)
            winners.append(submit_keyed(world))
        return real(**request)

    monkeypatch.setattr(world.store._client, "transact_write_items", contested)
    loser = submit_keyed(world)
    assert (loser.replayed, loser.job.job_id) == (True, winners[0].job.job_id)
    assert len(world.items("JOB#")) == 2


@pytest.mark.parametrize("nth", [1, 2])
def test_a_retry_of_a_failed_key_whose_response_was_lost_creates_no_third_job(world: JobWorld, nth: int) -> None:
    fail_keyed(world, InternalError())
    fail_calls(world, "transact_write_items", nth, after=True)
    with pytest.raises(StorageUnavailable):
        submit_keyed(world)
    assert submit_keyed(world).replayed == (nth == 2)
    assert len(world.items("JOB#")) == 2


def test_the_key_of_a_deleted_job_is_rejected(world: JobWorld) -> None:
    job = world.run(world.jobs.submit(PLAN, tenant="alice", fingerprint=keyed()).job)
    world.jobs.delete("alice", job.job_id)
    with pytest.raises(ResultExpired):
        world.jobs.submit(PLAN, tenant="alice", fingerprint=keyed())


def test_every_item_has_its_tenant_and_only_jobs_are_listed(world: JobWorld) -> None:
    job = world.run(world.jobs.submit(PLAN, tenant="alice", fingerprint=keyed()).job)
    DynamoLeases(world.resources["Table"], world.clock).take("alice", "name", "me", 20)
    items = world.items("")
    kinds = {"JOB", "IDEMPOTENCY", "BILL", "LEASE", "QUOTA", "OPEN", "USAGE", "TURN"}
    assert {str(item["pk"]).partition("#")[0] for item in items} == kinds
    assert {item["tenant"] for item in items} == {"alice"}
    assert world.store.page("alice", limit=10, after=None, state=None).jobs == [job]


def test_another_tenants_job_is_not_found(world: JobWorld) -> None:
    job = world.run(world.submit())
    for tenant, job_id in [("bob", job.job_id), ("alice", "x" * 26), ("alice", job.job_id.lower()), ("alice#", "")]:
        for call in (world.jobs.get, world.jobs.cancel, world.jobs.delete):
            with pytest.raises(JobNotFound) as caught:
                call(tenant, job_id)
            assert caught.value.detail == "No job has this id. It may have expired or been deleted."


def test_jobs_are_listed_newest_first_in_pages_and_by_state(world: JobWorld) -> None:
    ids: list[str] = []
    for index in range(7):
        world.clock.pass_s(1)
        job = world.submit(seed=index)
        ids.insert(0, job.job_id)
        if index % 2:
            world.run(job)
    world.submit(tenant="bob")
    first = world.jobs.page("alice", limit=4)
    rest = world.jobs.page("alice", limit=4, after=first.last)
    assert [job.job_id for job in [*first.jobs, *rest.jobs]] == ids
    assert rest.last is None
    done = world.jobs.page("alice", limit=2, state="succeeded")
    others = world.jobs.page("alice", limit=2, state="succeeded", after=done.last)
    assert [job.job_id for job in [*done.jobs, *others.jobs]] == ids[1::2]


def test_an_expired_job_is_not_found_before_it_is_deleted(world: JobWorld) -> None:
    job = world.submit()
    world.clock.pass_s(8 * 24 * 3600)
    with pytest.raises(JobNotFound):
        world.get(job)
    assert world.jobs.page("alice", limit=10) == Page([], None)


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


@pytest.mark.parametrize("unprocessed", [1, 5, 6])
def test_keys_left_unprocessed_are_read_again_up_to_a_limit(
    world: JobWorld, monkeypatch: pytest.MonkeyPatch, unprocessed: int
) -> None:
    """DynamoDB leaves keys of a batch unprocessed when the table is throttled."""
    job = world.submit()
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    real, calls = world.store._client.batch_get_item, 0

    def batch_get_item(**request: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls <= unprocessed:
            return {"Responses": {}, "UnprocessedKeys": request["RequestItems"]}
        return real(**request)

    monkeypatch.setattr(world.store._client, "batch_get_item", batch_get_item)
    if unprocessed < 6:
        assert world.jobs.page("alice", limit=10).jobs == [job]
        assert pauses == [0.0, 0.05, 0.1, 0.2, 0.4, 0.8][: unprocessed + 1]
    else:
        with pytest.raises(StorageUnavailable):
            world.jobs.page("alice", limit=10)
        assert calls == 6
