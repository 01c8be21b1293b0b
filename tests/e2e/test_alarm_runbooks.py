"""docs/runbooks.md, walked through on the local stack: break it, see the signal, follow the text, see it heal.

MiniStack does not read metrics from logs, as CloudWatch does, and its alarms know neither metric math nor missing data.
So the test passes the logged metrics on, and an alarm goes off but never ends.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.e2e.conftest import Aws, Run, small_request
from tests.e2e.test_jobs import until
from tests.support.evaluate import evaluate
from tests.support.monitoring import TOPIC, alarms, dashboard, widget_metrics
from tests.template.conftest import translated
from tools.local.client import ApiError, Client
from tools.local.deploy import STACK
from tools.local.process import REGION

DOCUMENT = (ROOT / "docs" / "runbooks.md").read_text()


def commands(title: str) -> list[str]:
    """Return the commands of a section, each after the document's own, for the local stack."""
    head, *_ = blocks(DOCUMENT.split("\n## ")[0])
    return [head + each for each in blocks(DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0])]


def blocks(text: str) -> list[str]:
    found = re.findall(r"^ *```bash\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return [each.replace("imagegen-dev", STACK) for each in found]


def shell() -> str:
    """Return the document's own commands."""
    (head,) = blocks(DOCUMENT.split("\n## ")[0])
    return head


class Watch:
    """One alarm of the template on the local stack, and who it tells."""

    def __init__(self, aws: Aws, logical_id: str, dimensions: list[dict[str, str]]):
        self._aws, self._log_from = aws, len(aws.log())
        self._cloudwatch, self._sqs, sns = (aws.client(each) for each in ("cloudwatch", "sqs", "sns"))
        resources = evaluate(translated(), AlarmTopicArn=TOPIC, ContentCredentialsKeyArn="key")
        properties = alarms(resources)[logical_id]
        self._name = f"{STACK}-{logical_id}"
        self._queue = self._sqs.create_queue(QueueName=f"on-call-{logical_id}")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        topic = sns.create_topic(Name=f"alarms-{logical_id}")["TopicArn"]
        allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        self._sqs.set_queue_attributes(QueueUrl=self._queue, Attributes={"Policy": policy})
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        changed = {"AlarmName": self._name, "AlarmActions": [topic], "OKActions": [topic], "Dimensions": dimensions}
        self._cloudwatch.put_metric_alarm(**properties | changed)

    def logged_metrics(self) -> list[dict[str, Any]]:
        """Return the metrics that functions have logged since the watch began, and pass them on."""
        found = re.findall(r'\{"_aws":.*?\}(?=\s|$)', self._aws.log()[self._log_from :], re.MULTILINE)
        documents = [json.loads(each) for each in found]
        for document in documents:
            for each in document["_aws"]["CloudWatchMetrics"]:
                for names in each["Dimensions"]:
                    self.put(each["Namespace"], each["Metrics"], document, names)
        return documents

    def put(self, namespace: str, metrics: list[Any], values: dict[str, Any], names: list[str]) -> None:
        dimensions = [{"Name": name, "Value": values[name]} for name in names]
        data = [
            {
                "MetricName": each["Name"],
                "Value": sum(values[each["Name"]]),
                "Unit": each["Unit"],
                "Dimensions": dimensions,
            }
            for each in metrics
        ]
        self._cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)

    def told(self) -> dict[str, Any] | None:
        """Return what the topic's subscriber got."""
        messages = self._sqs.receive_message(QueueUrl=self._queue).get("Messages", [])
        text: dict[str, Any] | None = json.loads(json.loads(messages[0]["Body"])["Message"]) if messages else None
        return text


@pytest.fixture
def lists_are_gone(aws: Aws) -> Iterator[None]:
    """Api reads its word lists from an object that does not exist."""
    functions, name = aws.client("lambda"), aws.function("Api")
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    place = {"MODERATION_LISTS": f"s3://{before['BUCKET_NAME']}/moderation/lists.json"}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": before | place})
    yield
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})


@pytest.mark.usefixtures("lists_are_gone")
def test_moderation_unavailable(aws: Aws, run: Run, client: Client) -> None:
    watch = Watch(aws, "ModerationUnavailableAlarm", [{"Name": "service", "Value": STACK}])
    with pytest.raises(ApiError, match="503 moderation_unavailable"):
        client.call("POST", "/jobs", small_request())
    until(lambda: [each for each in watch.logged_metrics() if "ModerationUnavailable" in each])
    message = until(watch.told)
    assert message["NewStateValue"] == "ALARM"
    assert message["AlarmDescription"].endswith("docs/runbooks.md#moderation-unavailable")

    assert re.search(r"moderation_unavailable.*word lists: ", run(shell() + "errors api"))
    (repair,) = commands("moderation-unavailable")
    run(repair)

    def accepted() -> bool:
        try:
            return bool(client.call("POST", "/jobs", small_request()).ok)
        except ApiError:
            time.sleep(1)
            return False

    until(accepted)


@pytest.fixture
def missing_chain(aws: Aws, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """The certificates, and the file from which the API's Generator now reads them, which does not exist."""
    functions, name = aws.client("lambda"), aws.function("Generator")
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    live = functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
    missing = tmp_path / "chain.pem"
    changed = before | {"CONTENT_CREDENTIALS_CHAIN": f"file:{missing}"}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": changed})
    version = functions.publish_version(FunctionName=name)["Version"]
    functions.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
    yield Path(before["CONTENT_CREDENTIALS_CHAIN"].removeprefix("file:")), missing
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})
    functions.update_alias(FunctionName=name, Name="live", FunctionVersion=live)


def test_provenance_unavailable(aws: Aws, run: Run, client: Client, missing_chain: tuple[Path, Path]) -> None:
    watch = Watch(aws, "ProvenanceUnavailableAlarm", [{"Name": "service", "Value": STACK}])
    with pytest.raises(ApiError, match="503 provenance_unavailable"):
        client.call("POST", "/generate", small_request())
    until(lambda: [each for each in watch.logged_metrics() if "ProvenanceUnavailable" in each])
    message = until(watch.told)
    assert message["NewStateValue"] == "ALARM"
    assert message["AlarmDescription"].endswith("docs/runbooks.md#provenance-unavailable")

    assert re.search(r"pictures cannot be signed.*cause", run(shell() + "errors generator"))
    chain, missing = missing_chain
    missing.write_bytes(chain.read_bytes())  # what `make signing-certificate` does in the bucket
    assert client.call("POST", "/generate", small_request()).ok


def test_jobs_dead_letters(aws: Aws, run: Run) -> None:
    """A message that cannot be parsed; tests/e2e/test_runbooks.py has those that wait."""

    def dead_letters() -> int:
        return run(shell() + "errors deadletters").count('"dead letter"')

    before = dead_letters()
    aws.send("JobsDeadLetters", '{"version": 99}')
    until(lambda: dead_letters() > before)
    (waiting,) = commands("jobs-dead-letters")
    until(lambda: set(json.loads(run(waiting))["Attributes"].values()) == {"0"})


def test_webhooks_dead_letters(aws: Aws, run: Run) -> None:
    """What no one wants any more is deleted; tests/e2e/test_runbooks.py shows and moves the others."""
    aws.send("WebhooksDeadLetters", '{"version": 1}', reason="status_410")
    assert aws.message_count("WebhooksDeadLetters") > 0
    (purge,) = commands("webhooks-dead-letters")
    run(purge)
    assert aws.message_count("WebhooksDeadLetters") == 0


def test_a_worker_that_is_stopped_for_a_repair_is_found_and_started(aws: Aws, run: Run) -> None:
    (stop,), (mapping,) = commands("errors")[1:], commands("oldest-job")
    run(stop)
    assert aws.mapping_state("JobsQueue") == "Disabled"
    assert "Disabled" in run(mapping)
    run(stop.replace("--no-enabled", "--enabled"))
    assert "Enabled" in run(mapping)


def test_a_sweep_by_hand_works(run: Run) -> None:
    look, sweep = commands("sweeper")
    assert "rate(1 minute)" in run(look)
    assert '"swept"' in run(sweep)


def test_a_loop_is_allowed_again(run: Run) -> None:
    look, allow = commands("recursion")
    run(allow)
    assert "Allow" in run(look)


def test_the_dashboard_names_what_the_stack_created(aws: Aws) -> None:
    body = aws.client("cloudwatch").get_dashboard(DashboardName=f"{STACK}-{REGION}")["DashboardBody"]
    assert "${" not in body
    metrics = widget_metrics(json.loads(body))
    assert len(metrics) == len(widget_metrics(dashboard(evaluate(translated()))))
    for function in ("Generator", "Worker", "Api", "Authorizer", "Sweeper"):
        assert f'"FunctionName", "{aws.function(function)}"' in body
    assert f'"service", "{STACK}"' in body
