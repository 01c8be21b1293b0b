"""Compares the responses that callers got with the table, the bucket and the dead-letter queue."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from boto3.dynamodb.types import TypeDeserializer

from tools.faults.history import History
from tools.faults.ministack import LocalAws
from tools.faults.product import Resources

Row = dict[str, Any]

FINAL: Final = ("succeeded", "failed", "cancelled")
_MAX_EXAMPLES: Final = 5


@dataclass(frozen=True)
class Findings:
    """Totals and problems. A problem is a job's ID, or the number `n` that its caller put into the metadata."""

    accepted: int
    jobs: int
    states: dict[str, int]
    bills: int
    dead_letters: int
    """Dead-lettered messages and failed jobs."""
    poison: int
    """Messages and jobs that must fail."""
    lost: list[str] = field(default_factory=list)
    """Accepted, but no row; or succeeded, but no image."""
    stuck: list[str] = field(default_factory=list)
    """Not in a final state when the deployment was idle."""
    duplicated: list[str] = field(default_factory=list)
    """Numbers with more than one job or bill."""
    misbilled: list[str] = field(default_factory=list)
    """Succeeded without a bill, or billed without having succeeded."""
    wrong_state: list[str] = field(default_factory=list)
    """Failed, but not poison; or poison, but not failed."""
    conflicting_ids: list[str] = field(default_factory=list)
    """Numbers whose callers got different job IDs."""
    unanswered: list[str] = field(default_factory=list)
    """Numbers whose caller gave up. The job may exist; it is then orphaned."""
    orphaned: list[str] = field(default_factory=list)
    """Jobs whose ID no caller got. Allowed, since no response accepted them, but they must reach a final state."""
    generations: int = 0
    repeat_generations: int = 0
    """Generations of a number after its first."""
    runs: int = 0
    """Runs of the jobs that succeeded."""
    unrecorded_runs: int = 0
    """Runs of those jobs whose end was not recorded; each used up an attempt."""
    aws_failure_runs: int = 0
    """Runs of those jobs that an AWS failure ended."""

    PROBLEMS = ("lost", "stuck", "duplicated", "misbilled", "wrong_state", "conflicting_ids")

    def problems(self) -> dict[str, list[str]]:
        """Return the lists of problems that are not empty, by name."""
        return {name: getattr(self, name) for name in self.PROBLEMS if getattr(self, name)}

    def holds(self) -> bool:
        """Return whether there is no problem and every poison message or job, and nothing else, failed."""
        return not self.problems() and self.dead_letters == self.poison

    def figures(self) -> dict[str, Any]:
        """Return all fields, with the length in place of each list."""
        return {name: len(value) if isinstance(value, list) else value for name, value in asdict(self).items()}

    def describe(self) -> list[str]:
        """Return a line per kind of problem, with its first five examples."""
        lines = [f"{name} {len(each)}: {', '.join(each[:_MAX_EXAMPLES])}" for name, each in self.problems().items()]
        if self.dead_letters != self.poison:
            lines.append(f"dead letters {self.dead_letters}, poison {self.poison}")
        return lines


@dataclass(frozen=True)
class _Stored:
    """What the table, the bucket and the dead-letter queue hold. Problems are as in Findings."""

    jobs: dict[str, Row]
    bills: Counter[str]
    images: set[str]
    dead_letters: set[str]

    @classmethod
    def read(cls, aws: LocalAws, resources: Resources) -> _Stored:
        rows = list(table_rows(aws, resources.table))
        return cls(
            jobs={row["job_id"]: row for row in rows if row["sk"] == "JOB"},
            bills=Counter(row["pk"].rpartition("#")[2] for row in rows if row["pk"].startswith("BILL#")),
            images=set(object_keys(aws, resources.bucket)),
            dead_letters=_dead_letters(aws, resources.dead_letters_url),
        )

    def in_state(self, state: str) -> set[str]:
        return {job_id for job_id, row in self.jobs.items() if row["state"] == state}

    def by_number(self) -> dict[str, list[str]]:
        """Return the ids of the jobs by the number that their caller gave them."""
        found: dict[str, list[str]] = defaultdict(list)
        for job_id, row in self.jobs.items():
            found[_number_of(row)].append(job_id)
        return found

    def lost(self, known: set[str]) -> set[str]:
        without_image = {each for each in self.in_state("succeeded") if not _image_keys(self.jobs[each]) <= self.images}
        return (known - self.jobs.keys()) | without_image

    def duplicated(self) -> set[str]:
        numbers = self.by_number().items()
        return {n for n, ids in numbers if len(ids) > 1 or sum(self.bills[each] for each in ids) > 1}

    def in_wrong_state(self, poison: set[str]) -> set[str]:
        firsts = {n: self.jobs[ids[0]]["state"] for n, ids in self.by_number().items()}
        return {n for n, state in firsts.items() if state in FINAL and (state == "failed") != (n in poison)}

    def ended_runs(self, attribute: str) -> int:
        """Return the sum of an attribute of the jobs that succeeded, which counts runs."""
        return sum(int(self.jobs[each].get(attribute, 0)) for each in self.in_state("succeeded"))


def check(aws: LocalAws, resources: Resources, history: History) -> Findings:
    """Read everything and compare. Call this when the deployment is idle."""
    stored, ids = _Stored.read(aws, resources), _ids_by_number(history)
    known = {job_id for each in ids.values() for job_id in each}
    requested, poison = ({entry["n"] for entry in history.entries(name)} for name in ("requested", "poison"))
    generations = Counter(entry["n"] for entry in history.entries("generating"))
    succeeded = stored.in_state("succeeded")
    runs = {name: stored.ended_runs(name) for name in ("attempt", "setbacks", "hand_ons", "continuations")}
    return Findings(
        accepted=len(ids),
        jobs=len(stored.jobs),
        states=dict(Counter(row["state"] for row in stored.jobs.values())),
        bills=stored.bills.total(),
        dead_letters=len(stored.dead_letters) + len(stored.in_state("failed")),
        poison=len(poison),
        lost=sorted(stored.lost(known)),
        stuck=sorted(job_id for job_id, row in stored.jobs.items() if row["state"] not in FINAL),
        duplicated=sorted(stored.duplicated()),
        misbilled=sorted(succeeded ^ stored.bills.keys()),
        wrong_state=sorted(stored.in_wrong_state(poison)),
        conflicting_ids=sorted(n for n, each in ids.items() if len(each) > 1),
        unanswered=sorted(requested - ids.keys()),
        orphaned=sorted(stored.jobs.keys() - known),
        generations=generations.total(),
        repeat_generations=sum(count - 1 for count in generations.values()),
        runs=sum(runs.values()),
        unrecorded_runs=runs["attempt"] - len(succeeded),
        aws_failure_runs=runs["setbacks"],
    )


def table_rows(aws: LocalAws, table: str, **options: Any) -> Iterator[Row]:
    """Scan a table. `options` are further arguments of Scan."""
    read = TypeDeserializer().deserialize
    for page in aws.client("dynamodb").get_paginator("scan").paginate(TableName=table, **options):
        for item in page["Items"]:
            yield {name: read(value) for name, value in item.items()}


def count_unfinished(aws: LocalAws, table: str) -> int:
    """Count jobs that are not in a final state."""
    return sum(row["sk"] == "JOB" and row["state"] not in FINAL for row in table_rows(aws, table))


def _number_of(row: Row) -> str:
    return str(json.loads(row["metadata"])["n"])


def _image_keys(row: Row) -> set[str]:
    return {each["key"] for each in json.loads(row["result"])["images"]}


def _dead_letters(aws: LocalAws, url: str) -> set[str]:
    """Return distinct bodies: a message is sent twice if its first acknowledgement was lost. Hides them for 600 s."""
    sqs, bodies = aws.client("sqs"), set()
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600).get("Messages"):
        bodies |= {message["Body"] for message in messages}
    return bodies


def _ids_by_number(history: History) -> dict[str, set[str]]:
    ids: dict[str, set[str]] = defaultdict(set)
    for entry in history.entries("responded"):
        if entry["job_id"]:
            ids[entry["n"]].add(entry["job_id"])
    return ids


def object_keys(aws: LocalAws, bucket: str, prefix: str = "") -> Iterator[str]:
    """List the keys of a bucket's objects."""
    for page in aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            yield item["Key"]
