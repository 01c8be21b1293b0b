"""Metrics: every one is emitted, few combinations of dimensions exist, and none depends on what a caller sends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast, get_args

import pytest

from imagegen import job_log, telemetry
from imagegen.errors import ProvenanceUnavailable, ServiceError
from imagegen.errors.moderation import Stage
from imagegen.generation.result import ModelLoad, Result, Timings, WarmUp
from imagegen.jobs.job import JobError
from imagegen.moderation.ports import Blocked
from imagegen.moderation.thresholds import PictureCategory
from imagegen.moderation.word_lists import packaged
from imagegen.origin import Origin
from imagegen.webhooks.delivery import Attempt, Verdict
from tests.conftest import ROOT
from tests.support.job_states import RESULT, new
from tests.unit.test_errors import LEAVES

MOST_PAIRS = 30
"""CloudWatch bills each name with its dimensions: docs/operations.md states what this many cost."""
ROUTES = ("/generate", "/jobs", "/jobs/{job_id}", "/keys")

Document = dict[str, Any]


@pytest.fixture
def documents(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[Document]]:
    """Returns the EMF documents printed so far."""
    telemetry.metrics.clear_metrics()  # what other tests have added

    def printed() -> list[Document]:
        telemetry.metrics.flush_metrics()
        return [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]

    return printed


def definitions(document: Document) -> list[Any]:
    found: list[Any] = document["_aws"]["CloudWatchMetrics"]
    return found


def pairs(documents: list[Document]) -> set[tuple[str, str]]:
    """Return each metric's name with its dimensions and their values."""
    return {
        (metric["Name"], json.dumps({name: document[name] for name in names}))
        for document in documents
        for each in definitions(document)
        for names in each["Dimensions"]
        for metric in each["Metrics"]
    }


@pytest.mark.parametrize(("status", "errors"), [(500, 1), (503, 1), (422, 0)])
def test_a_job_that_fails_by_our_fault_is_an_error(
    documents: Callable[[], list[Document]], status: int, errors: int
) -> None:
    telemetry.ran(replace(new(), state="failed", error=JobError(code="a", status=status, detail="b")))
    (document,) = documents()
    assert (document["JobFailures"], document["Errors"]) == ([1.0], [float(errors)])


def test_metrics_have_the_stack_as_their_service() -> None:
    """In a process of its own: Powertools reads the variable when the module is imported."""
    script = """
from dataclasses import replace
from imagegen import telemetry
from tests.support.job_states import RESULT, new
telemetry.ran(replace(new(), state="succeeded", result=RESULT))
telemetry.metrics.flush_metrics()
"""
    environment = os.environ | {"POWERTOOLS_SERVICE_NAME": "imagegen-test", "PYTHONPATH": "function:."}
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    usd, others = [json.loads(line) for line in run.stdout.splitlines() if '"_aws"' in line]
    assert (definitions(others)[0]["Dimensions"], others["service"]) == ([["service"]], "imagegen-test")
    assert (set(definitions(usd)[0]["Dimensions"][0]), usd["service"]) == ({"service", "model"}, "imagegen-test")


def everything_happens() -> None:
    cold: dict[str, Any] = {
        "cold_start": True,
        "model_load": ModelLoad(cause="new_environment", waited_ms=9, usd=0.5),
    }
    for resource in ROUTES:
        for method in ("GET", "POST", "DELETE"):
            telemetry.requested(Origin("request"), method, resource)
    telemetry.warmed(
        WarmUp(model="demo", engine="openvino", device="cpu", precision="f32", reason="", load_ms=9, **cold)
    )
    drawn = RESULT.model_copy(update=cold)
    telemetry.generated(Result(id="request", image_url="", metadata={}, **(dict(drawn) | {"images": []})))
    telemetry.ran(replace(new(), state="succeeded", result=drawn))
    for verdict in get_args(Verdict):
        telemetry.webhook_attempted(Attempt(verdict, "status_500"))
    for stage in get_args(Stage):
        for category in (*telemetry.CATEGORIES, "violence", "another one of the owner's own lists"):
            telemetry.moderation_blocked(Blocked("alice", "demo", stage, category, "1"))
        telemetry.moderation_unavailable(stage, "no lists")
    telemetry.became_job()
    telemetry.dead_letter("not_processed", failed=True)
    job_log.given_up(new())
    telemetry.swept(1, 1, 1)
    telemetry.provenance_unavailable(ProvenanceUnavailable())
    telemetry.verified("trusted")
    for error in LEAVES:
        raised = SimpleNamespace(status=error.status, public_code=error.code, private="")
        telemetry.failed(cast(ServiceError, raised))


def test_every_metric_is_emitted_and_no_other(documents: Callable[[], list[Document]]) -> None:
    everything_happens()
    assert {name for name, _ in pairs(documents())} == telemetry.UNITS.keys()


def test_few_combinations_exist_whatever_happens(documents: Callable[[], list[Document]]) -> None:
    everything_happens()
    found = pairs(documents())
    by_category = len(telemetry.CATEGORIES)
    assert len(found) == len(telemetry.UNITS) - 1 + by_category, "of Usd, one for each model, and a stack has one"
    assert len(found) <= MOST_PAIRS
    assert f"at most {MOST_PAIRS}, which cost 0.30 USD each" in (ROOT / "docs" / "operations.md").read_text()


def test_the_categories_of_metrics_are_those_of_the_lists_and_of_pictures() -> None:
    assert {*packaged().categories, *get_args(PictureCategory), "other"} == set(telemetry.CATEGORIES)


def test_units_and_namespace(documents: Callable[[], list[Document]]) -> None:
    everything_happens()
    for document in documents():
        for each in definitions(document):
            assert each["Namespace"] == telemetry.NAMESPACE
            for metric in each["Metrics"]:
                assert metric["Unit"] == telemetry.UNITS[metric["Name"]].value


def test_a_run_counts_what_it_drew(documents: Callable[[], list[Document]]) -> None:
    timings = Timings(queue_ms=900, load_ms=80, denoise_ms=70, decode_ms=6, store_ms=5, total_ms=170)
    drawn = RESULT.model_copy(update={"timings": timings, "cold_start": True})
    telemetry.ran(replace(new(), state="succeeded", result=drawn))
    values = {name: value for document in documents() for name, value in document.items()}
    expected = {
        "Runs": 1, "JobFailures": 0, "Images": 1, "CacheHits": 0, "ColdStarts": 1, "Duration": 170, "QueueTime": 900,
        "LoadTime": 80, "DenoiseTime": 70, "DecodeTime": 6, "StoreTime": 5, "Usd": 0.25,
    }  # fmt: skip
    assert {name: values[name] for name in expected} == {name: [value] for name, value in expected.items()}
    assert values["model"] == "demo"


def test_a_cached_result_has_no_parts(documents: Callable[[], list[Document]]) -> None:
    """Its zeros would hide how long drawing takes."""
    telemetry.ran(replace(new(), state="succeeded", result=RESULT.model_copy(update={"cached": True})))
    emitted = {name for name, _ in pairs(documents())}
    assert {"CacheHits", "Duration", "Usd"} <= emitted
    assert not {"LoadTime", "DenoiseTime", "DecodeTime", "StoreTime"} & emitted


def test_a_run_that_drew_nothing_counts_no_result(documents: Callable[[], list[Document]]) -> None:
    telemetry.ran(new())
    telemetry.ran(None)
    assert {name for name, _ in pairs(documents())} == {"Runs", "JobFailures", "Errors"}


def test_an_idle_sweep_writes_nothing(documents: Callable[[], list[Document]]) -> None:
    telemetry.swept(0, 0, 0)
    assert documents() == []


def test_operations_documents_every_metric() -> None:
    section = (ROOT / "docs" / "operations.md").read_text().split("### Metrics\n", 1)[1].split("\n#", 1)[0]
    names = [name for row in re.findall(r"^\| (`.+?`) \| ", section, re.MULTILINE) for name in re.findall(r"\w+", row)]
    assert sorted(names) == sorted(telemetry.UNITS)
