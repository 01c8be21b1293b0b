"""Jobs, bills and idempotency keys in the DynamoDB table. Every write is conditional; job_reads.py has the reads."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

from botocore.exceptions import ClientError

from imagegen.aws.clients import translated
from imagegen.aws.job_item import key, to_item
from imagegen.aws.job_reads import JobReads
from imagegen.aws.quota_items import Write, bill_key, refusal, reserving_writes, settle_writes, usage_write
from imagegen.aws.room import FullTenants, require_room
from imagegen.aws.table import (
    PATIENT_ATTEMPTS,
    Item,
    condition_failed,
    condition_held,
    deserialized,
    go_on,
    retry_conflicts,
    serialized,
)
from imagegen.aws.transactions import Contended, Reason, failed, too_many_at_once, transact
from imagegen.errors import (
    IdempotencyKeyReuse,
    InternalError,
    JobNotFinal,
    JobNotFound,
    ResultExpired,
    StorageUnavailable,
)
from imagegen.jobs import states
from imagegen.jobs.idempotency import KEPT_S, IdempotencyFingerprint
from imagegen.jobs.job import FINAL, Job
from imagegen.limits.quota import NO_QUOTA, Quota, Reservation
from imagegen.limits.usage import Charge


class DynamoJobStore(JobReads):
    """Implements jobs.ports.JobStore."""

    @cached_property
    def _full(self) -> FullTenants:
        return FullTenants()

    def add(
        self,
        job: Job,
        fingerprint: IdempotencyFingerprint | None = None,
        *,
        quota: Quota = NO_QUOTA,
        held: Reservation | None = None,
    ) -> Job:
        """Insert the job and reserve its amount, or return the key's existing job, unless that one is `repeatable`:
        this one replaces it."""
        job, replaced = replace(job, revision=_token()), ""
        reserving = reserving_writes(self._name, job.reserved, quota, held)
        while True:
            with translated("DynamoDB"):
                stored = self._insert(job, fingerprint, replaced, quota, reserving, held)
            if stored.job_id == job.job_id or not stored.repeatable:
                return stored
            replaced = stored.job_id

    def change(self, job: Job, transition: Callable[[Job], Job]) -> Job:
        """Apply the transition to the job as currently stored, write and return the result."""
        while True:
            changed = transition(job)
            if changed == job:
                return job
            changed = replace(changed, revision=_token())
            with translated("DynamoDB"):
                stored = self._write(job, changed)
            if stored is None:
                raise JobNotFound
            if stored.revision == changed.revision:
                return changed
            job = stored

    def remove(self, job: Job) -> None:
        """Delete a final job."""
        states_of = {f":{state}": state for state in FINAL}
        condition = f"attribute_not_exists(pk) OR #state IN ({', '.join(states_of)})"
        with translated("DynamoDB"):
            if not self._delete(job.tenant, job.job_id, condition, states_of, {"#state": "state"}):
                raise JobNotFinal

    def delete_expired(self, tenant: str, job_id: str) -> None:
        """Delete the job if it has expired."""
        with translated("DynamoDB"):
            self._delete(tenant, job_id, "expires_at <= :now", {":now": self._seconds()})

    def _insert(
        self,
        job: Job,
        fingerprint: IdempotencyFingerprint | None,
        replaced: str,
        quota: Quota,
        reserving: list[Write],
        held: Reservation | None,
    ) -> Job:
        """Insert the job if its key is unused or belongs to the job `replaced`, else return the key's job.

        Raises what refuses the reservation only if there is no such job: a repeated request needs no quota.
        """
        puts = [self._put(to_item(job), "attribute_not_exists(pk)")]
        if fingerprint is not None:
            free = "attribute_not_exists(pk) OR expires_at <= :now OR #job = :replaced"
            put = self._put(
                _key_item(job, fingerprint, self._seconds()), free, {":now": self._seconds(), ":replaced": replaced}
            )
            puts.append(put | {"ExpressionAttributeNames": {"#job": "job"}})
        try:
            writes = [*({"Put": put} for put in puts), *reserving]
            reasons = transact(self._client, writes, on_conflict=self._room(job, quota, fingerprint, held))
        except Contended as busy:
            raise too_many_at_once() from busy
        if reasons is None:
            return job
        if any(map(failed, reasons[: len(puts)])):
            return self._existing(job, fingerprint)
        refused = refusal(cast(Reservation, job.reserved), quota, reasons[len(puts) :], self._clock())
        if refused is not None:
            self._full.note(job.tenant, full=True)
        raise refused or _lost(job)

    def _room(
        self, job: Job, quota: Quota, fingerprint: IdempotencyFingerprint | None, held: Reservation | None
    ) -> Callable[[], None]:
        """Return what the insert does after a conflict. Only the insert knows whether a key has a job already."""
        if job.reserved is None or fingerprint is not None or held is not None:
            return go_on
        return require_room(self._client, self._name, job.reserved, quota, self._clock(), self._full)

    def _write(self, job: Job, changed: Job) -> Job | None:
        """Write the changed job. Returns the job now stored, by this or another process, or None if deleted."""
        update = self._update(to_item(job), to_item(changed), {":seen": job.revision})
        if changed.final and not job.final:
            return self._end(changed, {"Update": update})
        try:
            retry_conflicts(lambda: self._client.update_item(**update))
        except ClientError as error:
            if not condition_failed(error):
                raise
            stored = cast(dict[str, Any], error.response).get("Item")
            return self._live(deserialized(stored) if stored else self._read(key(job.tenant, job.job_id)))
        return changed

    def _end(self, job: Job, update: Write) -> Job | None:
        """Write the job's final state, its bill and usage, and settle its reservation. Returns what `_write` does.

        A job whose reservation the sweeper has released ends all the same. Raises InternalError if it has a bill.
        """
        own, usage = [update], []
        if (charge := states.charge(job)) is not None:
            own.append({"Put": self._bill(job, charge)})
            usage = [usage_write(self._name, job.tenant, job.quota_month, charge)]
        settling = usage if job.reserved is None else settle_writes(self._name, job.reserved, charge)
        reasons = self._transact([*own, *settling])
        if reasons and job.reserved is not None and not any(map(failed, reasons[: len(own)])):
            reasons = self._transact([*own, *usage])
        if reasons is None:
            return job
        if not failed(reasons[0]):
            raise InternalError(private=f"job {job.job_id} is not final, but its bill exists")
        return self._live(self._read(key(job.tenant, job.job_id)))

    def _bill(self, job: Job, charge: Charge) -> Any:
        name = bill_key(job.tenant, job.job_id) | {"tenant": job.tenant}
        return self._put(name | states.bill(job, charge), "attribute_not_exists(pk)")

    def _update(self, before: Item, after: Item, values: Item) -> dict[str, Any]:
        """Return an update of the attributes that differ, conditional on an unchanged revision.

        The shard is always among them: that of a row of an earlier version is not the one that `before` would have now.
        """
        removed = [name for name in before if name not in after]
        changed = {name: value for name, value in after.items() if before.get(name) != value}
        changed |= {"due_shard": after["due_shard"]}
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in changed)
        if removed:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in removed)
        return {
            "TableName": self._name,
            "Key": serialized({"pk": before["pk"], "sk": before["sk"]}),
            "UpdateExpression": expression,
            "ConditionExpression": "#revision = :seen",
            "ExpressionAttributeNames": {f"#{name}": name for name in [*changed, *removed]},
            "ExpressionAttributeValues": serialized(values | {f":{name}": value for name, value in changed.items()}),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _transact(self, writes: list[Write]) -> list[Reason] | None:
        try:
            return transact(self._client, writes, PATIENT_ATTEMPTS)
        except Contended as busy:
            raise StorageUnavailable("DynamoDB is busy. Retry in a few seconds.", private="contention") from busy

    def _delete(
        self, tenant: str, job_id: str, condition: str, values: Item, names: dict[str, str] | None = None
    ) -> bool:
        """Delete the job if the condition holds; return whether it held."""
        optional: Any = {"ExpressionAttributeNames": names} if names else {}
        return condition_held(
            lambda: self._client.delete_item(
                TableName=self._name,
                Key=serialized(key(tenant, job_id)),
                ConditionExpression=condition,
                ExpressionAttributeValues=serialized(values),
                **optional,
            )
        )

    def _existing(self, job: Job, fingerprint: IdempotencyFingerprint | None) -> Job:
        """Return the job that made the insert fail: this one, if its acknowledgement was lost, or the key's."""
        if fingerprint is not None:
            item = self._read(_key_of(job.tenant, fingerprint))
            if item is None:
                raise _lost(job)
            if not fingerprint.matches(item["body"], item.get("request")):
                raise IdempotencyKeyReuse
            return job if item["job"] == job.job_id else self._existing_of_key(job.tenant, item["job"])
        stored = self._live(self._read(key(job.tenant, job.job_id)))  # this job: its id is random, so unique
        if stored is None:
            raise _lost(job)
        return stored

    def _existing_of_key(self, tenant: str, job_id: str) -> Job:
        stored = self._live(self._read(key(tenant, job_id)))
        if stored is None:
            raise ResultExpired("The job of this Idempotency-Key no longer exists. Use a new key.")
        return stored


def _key_of(tenant: str, fingerprint: IdempotencyFingerprint) -> dict[str, str]:
    return {"pk": f"IDEMPOTENCY#{tenant}#{fingerprint.key}", "sk": "IDEMPOTENCY"}


def _key_item(job: Job, fingerprint: IdempotencyFingerprint, now: int) -> Item:
    return _key_of(job.tenant, fingerprint) | {
        "tenant": job.tenant,
        "body": fingerprint.body,
        "request": fingerprint.request,
        "job": job.job_id,  # not job_id, which would add the item to index by_tenant, among the jobs
        "expires_at": now + KEPT_S,
    }


def _lost(job: Job) -> StorageUnavailable:
    """Return the error of an insert that found a row which is gone now."""
    return StorageUnavailable("The job was not stored. Try again.", private=f"{job.job_id}: conflicting row is gone")


def _token() -> str:
    return secrets.token_hex(8)
