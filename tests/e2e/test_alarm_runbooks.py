"""docs/runbooks, walked through on the local stack: break it, see the signal, follow the text, see it heal.

The commands are those of the pages, run by bash and the real AWS CLI, and the alarms are the template's. MiniStack
reads no metrics from logs, has none of SQS and of the gateway, and knows neither metric math nor missing data: `Walk`
enters what an alarm reads, and expressions are computed here, from its metrics or from the log. That an alarm ends is
in docs/walked.md, which waits for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Aws, log_file, small_request
from tests.e2e.test_jobs import long_request, until
from tests.support.alarms import alarms
from tests.support.evaluate import evaluate
from tests.template.conftest import translated
from tools.local.client import ApiError, Client, JobFailed
from tools.local.dashboard.function_log import FunctionLog, Sample
from tools.local.dashboard.series import statistic
from tools.local.deploy import STACK
from tools.local.endpoint import Endpoint
from tools.local.runbook_commands import Shell, blocks_by_alarm, functions
from tools.local.runbook_walk import Walk

BLOCKS = blocks_by_alarm()
WALKED = {
    "server-error-rate", "errors", "sweeper", "oldest-job", "job-dead-letters", "webhook-dead-letters", "recursion",
    "moderation-unavailable", "provenance-unavailable", "spending", "cold-starts", "latency", "job-duration",
}  # fmt: skip
ONLY_RUN = {"throttles"}
"""Only the commands are run: MiniStack writes no access log and lets calls wait instead of rejecting them."""
_AVAILABLE = {"p95": "Maximum"}
"""MiniStack has no percentiles. The 95th of fewer than twenty calls is their maximum."""
Change = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def walk(stack: Endpoint, shell: Shell) -> Walk:
    walk = Walk(stack, log_file(), shell)
    walk.section("", "")
    return walk


@pytest.fixture
def change(aws: Aws) -> Change:
    """Return a context manager that changes variables of a function, and changes them back."""

    @contextmanager
    def changed(function: str, **variables: str) -> Iterator[None]:
        functions, name = aws.client("lambda"), aws.function(function)
        before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": before | variables})
        try:
            yield
        finally:
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})

    return changed


def properties(alarm: str, **parameters: str) -> dict[str, Any]:
    """Return the alarm of the template."""
    key = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    resources = evaluate(translated(), Alarms="all", ContentCredentialsKeyArn=key, **parameters)
    return dict(alarms(resources)[alarm])


def dimensions(walk: Walk, named: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return the dimensions with the names of this stack and its resources."""
    return [{"Name": each["Name"], "Value": walk.names.get(each["Value"]["Ref"], STACK)} for each in named]


def install(walk: Walk, alarm: str, **parameters: str) -> dict[str, Any]:
    """Create an alarm that the local stack lacks.

    One that reads an expression, or what MiniStack measures of functions, reads a metric of its own instead.
    """
    own = properties(alarm, **parameters)
    topic = walk.names["AlarmTopic"]
    expression = {"Namespace": "Expressions", "MetricName": alarm, "Statistic": "Sum", "Period": 300}
    read = expression if "Metrics" in own or own["Namespace"] == "AWS/Lambda" else {}
    own["Threshold"] = float(own["Threshold"])
    own |= {"AlarmName": f"{STACK}-{alarm}", "AlarmActions": [topic], "OKActions": [topic], "Dimensions": []}
    walk.aws["cloudwatch"].put_metric_alarm(**{name: own[name] for name in own if name != "Metrics"} | read)
    return own


def computed(walk: Walk, alarm: dict[str, Any], since: datetime) -> float:
    """Return the value of the alarm's expression since then, from the stack's own metrics of its functions."""
    values: dict[str, Any] = {}
    for each in alarm["Metrics"]:
        if "MetricStat" in each:
            read = each["MetricStat"]
            found = walk.aws["cloudwatch"].get_metric_statistics(
                Namespace=read["Metric"]["Namespace"],
                MetricName=read["Metric"]["MetricName"],
                Dimensions=dimensions(walk, read["Metric"]["Dimensions"]),
                StartTime=since,
                EndTime=datetime.now(UTC) + timedelta(minutes=1),
                Period=60,
                Statistics=[_AVAILABLE.get(read["Stat"], read["Stat"])],
            )["Datapoints"]
            points = [point[_AVAILABLE.get(read["Stat"], read["Stat"])] for point in found]
            combine = max if read["Stat"] in _AVAILABLE else sum
            values[each["Id"]] = combine(points) if points else None
    return evaluated(alarm, values)


def computed_from_log(alarm: dict[str, Any], samples: list[Sample]) -> float:
    """Return the value of the alarm's expression, from metrics that the functions wrote into the log."""
    return evaluated(
        alarm,
        {
            each["Id"]: statistic(
                each["MetricStat"]["Stat"],
                [sample.value for sample in samples if sample.name == each["MetricStat"]["Metric"]["MetricName"]],
            )
            for each in alarm["Metrics"]
            if "MetricStat" in each
        },
    )


def evaluated(alarm: dict[str, Any], values: dict[str, Any]) -> float:
    """Return the value of the alarm's expression, which is arithmetic in Python, too."""
    (expression,) = [each["Expression"] for each in alarm["Metrics"] if "Expression" in each]
    functions = {
        "FILL": lambda value, other: other if value is None else value,
        "IF": lambda condition, value, other: value if condition else other,
    }
    return float(eval(expression, {"__builtins__": {}}, values | functions))  # noqa: S307 - text of our own template


def status_of(client: Client, path: str) -> int:
    try:
        return client.call("POST", path, small_request()).status_code
    except ApiError as error:
        return error.status


def test_every_runbook_with_commands_is_walked_through_or_named() -> None:
    assert {alarm for alarm, blocks in BLOCKS.items() if blocks} == WALKED | ONLY_RUN


@pytest.mark.parametrize("alarm", sorted(ONLY_RUN))
def test_commands_that_are_only_run(walk: Walk, alarm: str) -> None:
    for number in range(len(BLOCKS[alarm])):
        walk.follow(alarm, number)


def test_the_states_of_all_alarms_are_shown(aws: Aws, shell: Shell) -> None:
    shown = shell.run(functions() + "alarms")
    assert f"{STACK}-errors\t" in shown
    deployed = aws.client("cloudwatch").describe_alarms(AlarmNamePrefix=STACK)["MetricAlarms"]
    assert len(shown.splitlines()) == len(deployed)


def test_moderation_unavailable(walk: Walk, client: Client, change: Change) -> None:
    """Healed by a deployment with `ModerationLists=`; docs/walked.md puts the object in its place."""
    place = f"s3://{walk.names['Bucket']}/moderation/missing.json"
    with change("Api", MODERATION_LISTS=place):
        assert status_of(client, "/jobs") == 503
        walk.enter("moderation-unavailable", walk.log("moderation_unavailable"), "ALARM")
        shown = walk.follow("moderation-unavailable")
        assert re.search(r'"stage":"prompt","cause":"word lists: S3: NoSuchKey', shown)
    assert status_of(client, "/jobs") == 202


@pytest.fixture
def missing_chain(aws: Aws, change: Change, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """The certificates, and the file from which the API's Generator now reads them, which does not exist."""
    functions, name = aws.client("lambda"), aws.function("Generator")
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    live = functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
    missing = tmp_path / "chain.pem"
    with change("Generator", CONTENT_CREDENTIALS_CHAIN=f"file:{missing}"):
        version = functions.publish_version(FunctionName=name)["Version"]
        functions.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
        yield Path(before["CONTENT_CREDENTIALS_CHAIN"].removeprefix("file:")), missing
    functions.update_alias(FunctionName=name, Name="live", FunctionVersion=live)


def test_provenance_unavailable(walk: Walk, client: Client, missing_chain: tuple[Path, Path]) -> None:
    install(walk, "provenance-unavailable")
    assert status_of(client, "/generate") == 503
    walk.enter("provenance-unavailable", walk.log("pictures cannot be signed"), "ALARM")
    shown = walk.follow("provenance-unavailable")
    assert "certificate chain" in shown
    chain, missing = missing_chain
    missing.write_bytes(chain.read_bytes())  # what `make signing-certificate` does in the bucket
    drawn = client.call("POST", "/generate", small_request()).json()
    assert drawn["images"][0]["content_credentials"]


def test_job_dead_letters(walk: Walk, aws: Aws) -> None:
    """A message that cannot be parsed. tests/e2e/test_runbooks.py moves jobs back, as docs/walked.md does."""
    aws.send("JobsQueue", '{"version": 99}')
    walk.enter("job-dead-letters", walk.log("dead letter"), "ALARM")
    shown = walk.follow("job-dead-letters")
    assert '"message":"unreadable message"' in shown
    assert re.search(r'"message":"dead letter".*"reason":"unknown_version"', shown)
    until(lambda: aws.message_count("JobsDeadLetters") == 0)


def test_webhook_dead_letters(walk: Walk, aws: Aws) -> None:
    aws.send("WebhooksQueue", "{")
    walk.log("webhook dead")
    walk.enter("webhook-dead-letters", until(lambda: walk.depth("WebhooksDeadLetters")), "ALARM")
    while aws.message_count("WebhooksDeadLetters"):
        (message,) = json.loads(walk.follow("webhook-dead-letters"))["Messages"]
        assert message["MessageAttributes"]["reason"]["StringValue"]
        walk.follow("webhook-dead-letters", 1, receipt_handle=message["ReceiptHandle"])


@pytest.fixture
def stopped_schedule(walk: Walk, aws: Aws) -> Iterator[None]:
    """Turn the sweeper's schedule off, and on again in the end."""
    schedules = aws.client("scheduler")
    schedule = schedules.get_schedule(Name=walk.names["SweeperMinute"])
    kept = {name: schedule[name] for name in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
    schedules.update_schedule(**kept, State="DISABLED")
    yield
    schedules.update_schedule(**kept, State="ENABLED")


@pytest.mark.usefixtures("stopped_schedule")
def test_sweeper(walk: Walk, aws: Aws, change: Change) -> None:
    """It is not called, and it fails if it is."""
    alarm = install(walk, "sweeper")
    assert re.search(r'"DISABLED",\s+"rate\(1 minute\)"', walk.follow("sweeper"))
    broken = datetime.now(UTC)
    with change("Sweeper", TABLE_NAME="missing"):
        assert "errorType" in aws.invoke("Sweeper")
        walk.log("failed")
        walk.enter("sweeper", computed(walk, alarm, broken), "ALARM")
        shown = walk.follow("sweeper")
        assert re.search(r'"code":"storage_unavailable".*"cause":"DynamoDB: ', shown)
        assert re.search(r'"Active",\s+"Successful"', shown)
    walk.follow("sweeper", 1)
    assert re.search(r'"ENABLED",\s+"rate\(1 minute\)"', walk.follow("sweeper"))
    healed = datetime.now(UTC)
    assert "swept" in aws.invoke("Sweeper")
    assert computed(walk, alarm, healed) >= alarm["Threshold"]


def test_oldest_job(walk: Walk, client: Client) -> None:
    """Worker does not read the queue. Its messages are not really half an hour old."""
    walk.mapping("WorkerJobs", enabled=False)
    job = client.call("POST", "/jobs", small_request()).json()
    walk.enter("oldest-job", 1801, "ALARM")
    assert '"Disabled"' in walk.follow("oldest-job")
    walk.follow("oldest-job", 1)
    assert '"Enabled"' in walk.follow("oldest-job")
    assert client.wait_for_job(job["id"])["status"] == "succeeded"


def test_errors_and_the_rate_of_server_errors(walk: Walk, client: Client, change: Change) -> None:
    with change("Api", TABLE_NAME="missing"):
        assert {status_of(client, "/jobs") for _ in range(11)} == {503}
        walk.enter("errors", walk.log("failed", 11), "ALARM")
        walk.enter("server-error-rate", 1, "ALARM")
        for alarm in ("errors", "server-error-rate"):
            shown = walk.follow(alarm)
            assert re.search(r'"route":"POST /jobs".*"code":"storage_unavailable"', shown)
    assert status_of(client, "/jobs") == 202


def test_recursion(walk: Walk, aws: Aws) -> None:
    install(walk, "recursion")
    worker = walk.names["Worker"]
    aws.client("lambda").put_function_recursion_config(FunctionName=worker, RecursiveLoop="Terminate")
    walk.enter("recursion", 1, "ALARM")
    assert '"Terminate"' in walk.follow("recursion")
    walk.follow("recursion", 1)
    assert '"Allow"' in walk.follow("recursion")


def test_spending(walk: Walk, aws: Aws, client: Client) -> None:
    """All drawing stops, and jobs wait. MiniStack counts the time of direct invocations only."""
    alarm = install(walk, "spending", AlarmUsdPerHour="0.00000001")
    since = datetime.now(UTC)
    aws.invoke("Generator")
    walk.enter("spending", computed(walk, alarm, since), "ALARM")
    walk.follow("spending")  # MiniStack writes no access log
    try:
        walk.follow("spending", 1)
        found = aws.client("lambda").get_function_concurrency(FunctionName=walk.names["Generator"])
        assert found["ReservedConcurrentExecutions"] == 0
        assert '"Disabled"' in walk.follow("oldest-job")
        job = client.call("POST", "/jobs", small_request()).json()
        assert client.call("GET", f"/jobs/{job['id']}").json()["status"] == "queued"
    finally:
        walk.follow("spending", 2)
    assert client.wait_for_job(job["id"])["status"] == "succeeded"


def cold_starts_of_jobs(shown: str) -> int:
    found = re.search(r"^ *(\d+) ran new_environment$", shown, re.MULTILINE)
    return int(found[1]) if found else 0


def test_cold_starts(walk: Walk, client: Client) -> None:
    """Six jobs find a new Worker, as after deployments and crashes; six more find that of the sixth."""
    alarm = install(walk, "cold-starts")
    before, begun = cold_starts_of_jobs(walk.follow("cold-starts")), datetime.now(UTC).timestamp()

    def finish_jobs(number: int, in_all: int) -> list[Sample]:
        """Run jobs, and return the samples that the alarm reads once this many are in the log."""
        for _ in range(number):
            job = client.call("POST", "/jobs", small_request()).json()
            assert client.wait_for_job(job["id"])["status"] == "succeeded"

        def look() -> list[Sample]:
            samples = FunctionLog.of(log_file().read_text(errors="replace").splitlines()).samples
            found = [each for each in samples if each.name == "ColdStarts" and each.at >= begun]
            return found if len(found) >= in_all else []

        return until(look)

    for deployment in range(6):
        walk.configure("Worker", DEPLOYMENT=str(deployment))
        samples = finish_jobs(1, deployment + 1)
    samples = finish_jobs(4, 10)
    walk.enter("cold-starts", computed_from_log(alarm, samples), "ALARM")
    assert cold_starts_of_jobs(walk.follow("cold-starts")) - before == 6
    samples = finish_jobs(2, 12)
    assert computed_from_log(alarm, samples) <= alarm["Threshold"]
    assert cold_starts_of_jobs(walk.follow("cold-starts")) - before == 6


def timings_of(shown: str, message: str, name: str) -> dict[str, int]:
    """Return the timings of the log line that has this message and this value of `model` or `job_id`."""
    lines = [json.loads(line) for line in shown.splitlines() if f'"message":"{message}"' in line]
    found: dict[str, int] = [line["timings"] for line in lines if name in (line.get("model"), line["job_id"])][-1]
    return found


def test_latency(walk: Walk, aws: Aws) -> None:
    """A caller asks for many steps; a longer timeout heals it. MiniStack counts the time of direct invocations only."""
    alarm = install(walk, "latency", GatewayTimeoutSeconds="1")
    aws.invoke("Generator", {"warmup": True})
    since = datetime.now(UTC)
    picture = aws.invoke("Generator", long_request())
    walk.enter("latency", computed(walk, alarm, since), "ALARM")
    timings = timings_of(walk.follow("latency"), "generated", picture["id"])
    assert max(timings, key=lambda phase: timings[phase] * (phase != "total_ms")) == "denoise_ms"
    longer = properties("latency", GatewayTimeoutSeconds="898")
    assert computed(walk, longer, since) <= longer["Threshold"]


def test_job_duration(walk: Walk, client: Client, change: Change) -> None:
    """A tenant's large jobs, until `UsdPerRequest` refuses them. They do not really take five minutes."""
    install(walk, "job-duration")
    job = client.call("POST", "/jobs", long_request()).json()
    assert client.wait_for_job(job["id"])["status"] == "succeeded"
    walk.log("ran")
    walk.enter("job-duration", 300_001, "ALARM")
    shown = walk.follow("job-duration")
    timings = timings_of(shown, "ran", job["id"])
    assert max(timings, key=lambda phase: timings[phase] * (phase != "total_ms")) == "denoise_ms"
    assert '"images":8' in shown
    with change("Api", USD_PER_REQUEST="0.00000001"):
        job = client.call("POST", "/jobs", long_request()).json()
        with pytest.raises(JobFailed, match="Ask for fewer images"):
            client.wait_for_job(job["id"])
    job = client.call("POST", "/jobs", small_request()).json()
    assert client.wait_for_job(job["id"])["status"] == "succeeded"
