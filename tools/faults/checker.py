"""Joins what callers were told with what is in the table, the bucket and the dead letters."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from boto3.dynamodb.types import TypeDeserializer

from tools.faults.history import entries
from tools.faults.ministack import StandIn
from tools.faults.product import Places

Row = dict[str, Any]

FINAL: Final = ("succeeded", "failed", "cancelled")
_SHOWN: Final = 5


@dataclass(frozen=True)
class Findings:
    """What is wrong, by the caller's number `n` of a job or by its id, beside what is right."""

    accepted: int
    jobs: int
    states: dict[str, int]
    bills: int
    dead_letters: int
    """Buried messages, and jobs that failed for good."""
    poison: int
    lost: list[str] = field(default_factory=list)
    """Accepted, and no row; or succeeded, and no image."""
    stuck: list[str] = field(default_factory=list)
    """In a state that is not final after everything came to rest."""
    duplicated: list[str] = field(default_factory=list)
    """More than one job or bill for one number."""
    misbilled: list[str] = field(default_factory=list)
    """Succeeded without a bill, or a bill without a success."""
    misjudged: list[str] = field(default_factory=list)
    """Failed, and not poison; or succeeded, and poison."""
    contradicted: list[str] = field(default_factory=list)
    """Numbers whose callers were told different jobs."""
    unanswered: list[str] = field(default_factory=list)
    """Numbers whose caller gave up; the job may exist (orphaned) or not."""
    orphaned: list[str] = field(default_factory=list)
    """Jobs that no caller was told of: allowed, they were never accepted, but they must come to an end."""
    generations: int = 0
    generated_again: int = 0
    runs: int = 0
    """Of the jobs that succeeded."""
    silent_runs: int = 0
    """Those of them that ended without a word, which the job paid for with an attempt."""
    setback_runs: int = 0
    """Those of them that a failure of AWS ended."""

    WRONG = ("lost", "stuck", "duplicated", "misbilled", "misjudged", "contradicted")

    def wrong(self) -> dict[str, list[str]]:
        return {name: getattr(self, name) for name in self.WRONG if getattr(self, name)}

    def holds(self) -> bool:
        return not self.wrong() and self.dead_letters == self.poison

    def figures(self) -> dict[str, Any]:
        """Counts instead of lists."""
        return {name: len(value) if isinstance(value, list) else value for name, value in asdict(self).items()}

    def describe(self) -> list[str]:
        """What is wrong, with the first few that show it."""
        lines = [f"{name} {len(each)}: {', '.join(each[:_SHOWN])}" for name, each in self.wrong().items()]
        if self.dead_letters != self.poison:
            lines.append(f"dead letters {self.dead_letters}, poison {self.poison}")
        return lines


def check(aws: StandIn, places: Places, folder: Path) -> Findings:
    """Read everything once all has come to rest. `folder` holds the run's ledgers."""
    rows = list(table_rows(aws, places.table))
    jobs = {row["job_id"]: row for row in rows if row["sk"] == "JOB"}
    bills = Counter(row["pk"].rpartition("#")[2] for row in rows if row["pk"].startswith("BILL#"))
    images = set(_keys(aws, places.bucket))
    told = _told(folder)
    poison = {entry["n"] for entry in entries(folder, "poison")}
    failed = sum(row["state"] == "failed" for row in jobs.values())
    by_number: dict[str, list[str]] = defaultdict(list)
    for job_id, row in jobs.items():
        by_number[number_of(row)].append(job_id)
    known = {job_id for each in told.values() for job_id in each}
    answered = {entry["n"] for entry in entries(folder, "answered") if entry["job_id"]}
    asked = {entry["n"] for entry in entries(folder, "asked")}
    generations = Counter(entry["n"] for entry in entries(folder, "generating"))
    succeeded = {job_id for job_id, row in jobs.items() if row["state"] == "succeeded"}
    silent = sum(int(jobs[each]["attempt"]) - 1 for each in succeeded)
    setbacks = sum(int(jobs[each].get("setbacks", 0)) for each in succeeded)
    hand_ons = sum(int(jobs[each].get("hand_ons", 0)) for each in succeeded)
    return Findings(
        accepted=len(answered),
        jobs=len(jobs),
        states=dict(Counter(row["state"] for row in jobs.values())),
        bills=sum(bills.values()),
        dead_letters=len(dead_letters(aws, places.dead_letters_url)) + failed,
        poison=len(poison),
        lost=sorted((known - jobs.keys()) | {each for each in succeeded if not set(image_keys(jobs[each])) <= images}),
        stuck=sorted(job_id for job_id, row in jobs.items() if row["state"] not in FINAL),
        duplicated=sorted(n for n, each in by_number.items() if len(each) > 1 or sum(bills[one] for one in each) > 1),
        misbilled=sorted(succeeded ^ bills.keys()),
        misjudged=sorted(
            n
            for n, each in by_number.items()
            if jobs[each[0]]["state"] in FINAL and (jobs[each[0]]["state"] == "failed") != (n in poison)
        ),
        contradicted=sorted(n for n, each in told.items() if len(each) > 1),
        unanswered=sorted(asked - answered),
        orphaned=sorted(jobs.keys() - known),
        generations=sum(generations.values()),
        generated_again=sum(count - 1 for count in generations.values()),
        runs=len(succeeded) + silent + setbacks + hand_ons,
        silent_runs=silent,
        setback_runs=setbacks,
    )


def table_rows(aws: StandIn, table: str, **options: Any) -> Iterator[Row]:
    read = TypeDeserializer().deserialize
    for page in aws.client("dynamodb").get_paginator("scan").paginate(TableName=table, **options):
        for item in page["Items"]:
            yield {name: read(value) for name, value in item.items()}


def unfinished(aws: StandIn, table: str) -> int:
    """Jobs whose state is not final."""
    return sum(row["sk"] == "JOB" and row["state"] not in FINAL for row in table_rows(aws, table))


def number_of(row: Row) -> str:
    metadata = row["metadata"]
    return str((json.loads(metadata) if isinstance(metadata, str) else metadata)["n"])


def image_keys(row: Row) -> list[str]:
    result = row["result"]
    return [each["key"] for each in (json.loads(result) if isinstance(result, str) else result)["images"]]


def dead_letters(aws: StandIn, url: str) -> set[str]:
    """Their bodies: one that was sent twice, since its acknowledgement was lost, counts once. They are then hidden."""
    sqs, bodies = aws.client("sqs"), set()
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600).get("Messages"):
        bodies |= {message["Body"] for message in messages}
    return bodies


def _told(folder: Path) -> dict[str, set[str]]:
    told: dict[str, set[str]] = defaultdict(set)
    for entry in entries(folder, "answered"):
        if entry["job_id"]:
            told[entry["n"]].add(entry["job_id"])
    return told


def _keys(aws: StandIn, bucket: str) -> Iterator[str]:
    for page in aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            yield item["Key"]
