"""A walk through runbooks on a local stack: what is done and seen, as lines for a page."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from tools.local.client import ApiError, Client
from tools.local.dashboard.function_log import FunctionLog
from tools.local.deploy import STACK, client
from tools.local.endpoint import Endpoint
from tools.local.process import ROOT
from tools.local.runbook_commands import Shell, blocks_by_alarm, functions

_LEFT_S: Final = 10.0
"""How long an alarm still reads what was entered."""
_WAIT_S: Final = 90.0
_SHOWN: Final = ("message", "route", "code", "status", "stage", "reason", "cause", "state", "cold_start_cause")


class Walk:
    """A stack, and what a reader of the page would see."""

    def __init__(self, endpoint: Endpoint, log: Path, shell: Shell):
        base = endpoint.base_url.rpartition("/")[0]
        self.client = Client(endpoint)
        self.aws = {name: client(name, base) for name in ("cloudformation", "cloudwatch", "lambda", "s3", "sns", "sqs")}
        self._log, self._read = log, 0
        self._parts: list[str] = []
        self._lines: list[str] = []
        pages = self.aws["cloudformation"].get_paginator("list_stack_resources").paginate(StackName=STACK)
        summaries = [each for page in pages for each in page["StackResourceSummaries"]]
        self.names = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in summaries}
        self._shell = shell
        self._on_call = self._subscribed_queue(self.names["AlarmTopic"])

    def section(self, title: str, text: str) -> None:
        """Begin the section of an alarm."""
        self._end()
        self._parts.append(f"## {title}\n\n{text}\n")
        self._read = len(self._lines_of_log())

    def line(self, text: str) -> None:
        """Record a line."""
        self._lines.append(text)

    def request(self, body: dict[str, Any], path: str, expected: int) -> Any:
        """Send a POST, record it, and return the response's document. Raises AssertionError on another status."""
        self.line(f"> POST {path} {json.dumps(body)}")
        try:
            response = self.client.call("POST", path, body)
            status, document = response.status_code, response.json()
        except ApiError as error:
            status, document = error.status, error.problem
        shown = {name: document[name] for name in ("code", "status") if name in document}
        self.line(f"< {status} {json.dumps(shown)}")
        assert status == expected, document
        return document

    def log(self, message: str, least: int = 1) -> int:
        """Wait for this many log lines with this message since the section began, record and count them."""

        def look() -> list[dict[str, Any]]:
            found = [each for each in self._lines_of_log()[self._read :] if each["message"] == message]
            return found if len(found) >= least else []

        found = wait_for(look)
        for each in found:
            shown = json.dumps({name: each[name] for name in _SHOWN if each.get(name)})
            self.line("log " + shown.replace(str(ROOT), "..."))
        return len(found)

    def metric(self, name: str) -> None:
        """Record the sum of a metric of the functions in the whole run, which is above 0."""
        samples = FunctionLog.of(self._log.read_text(errors="replace").splitlines()).samples
        total = sum(each.value for each in samples if each.name == name)
        assert total > 0, name
        self.line(f"metric {name} {total:g}")

    def enter(self, alarm: str, value: float, expected: str) -> None:
        """Enter what the alarm reads, and record its state. Raises AssertionError if it is not the expected one."""
        name = f"{STACK}-{alarm}"
        (found,) = self.aws["cloudwatch"].describe_alarms(AlarmNames=[name])["MetricAlarms"]
        age = 0 if expected == "OK" else found["Period"] * found["EvaluationPeriods"] - _LEFT_S
        at = datetime.now(UTC) - timedelta(seconds=age)
        datum = {"MetricName": found["MetricName"], "Dimensions": found["Dimensions"], "Timestamp": at, "Value": value}
        self.aws["cloudwatch"].put_metric_data(Namespace=found["Namespace"], MetricData=[datum])
        (found,) = self.aws["cloudwatch"].describe_alarms(AlarmNames=[name])["MetricAlarms"]
        self.line(f"enter {found['Namespace']} {found['MetricName']} {value:g}")
        self.line(f"alarm {alarm} {found['StateValue']}")
        assert found["StateValue"] == expected, found
        change = f"{name}: {expected}"
        wait_for(lambda: change in self._notified())
        self.line(f"notified {change}")

    def period_ends(self) -> None:
        """Wait until what was entered is older than the alarm's periods."""
        self.line("(the alarm's periods pass)")
        time.sleep(_LEFT_S + 2)

    def follow(self, alarm: str, number: int = 0, **variables: str) -> str:
        """Run a block of commands of the runbook with these variables, record it, and return what it prints."""
        block = blocks_by_alarm()[alarm][number]
        for command in re.split(r"(?<!\\)\n", block.strip()):  # a backslash continues a command in the next line
            self.line(f"$ {command}")
        assigned = "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
        return self._shell.run(functions() + assigned + block)

    def depth(self, queue: str) -> int:
        """Return the number of visible messages."""
        attributes = self.aws["sqs"].get_queue_attributes(
            QueueUrl=self.names[queue], AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(attributes["Attributes"]["ApproximateNumberOfMessages"])

    def receive(self, queue: str) -> dict[str, Any]:
        """Return the queue's next message."""
        found = wait_for(
            lambda: (
                self.aws["sqs"]
                .receive_message(QueueUrl=self.names[queue], MessageAttributeNames=["All"], AttributeNames=["All"])
                .get("Messages")
            )
        )
        message: dict[str, Any] = found[0]
        return message

    def move(self, source: str, destination: str) -> None:
        """Move a message, as SQS does to dead letters and start-message-move-task does from there."""
        message = self.receive(source)
        group = message.get("Attributes", {}).get("MessageGroupId")
        self.aws["sqs"].send_message(
            QueueUrl=self.names[destination],
            MessageBody=message["Body"],
            **({"MessageGroupId": group} if group else {}),
        )
        self.delete(source, message)

    def delete(self, queue: str, message: dict[str, Any]) -> None:
        """Delete a received message."""
        self.aws["sqs"].delete_message(QueueUrl=self.names[queue], ReceiptHandle=message["ReceiptHandle"])

    def configure(self, function: str, **variables: str) -> None:
        """Change variables of a function, as a deployment does."""
        name, functions = self.names[function], self.aws["lambda"]
        before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": before | variables})

    def invoke(self, function: str) -> Any:
        """Invoke a function with an empty event, record and return its result."""
        response = self.aws["lambda"].invoke(FunctionName=self.names[function], Payload=b"{}")
        result = json.load(response["Payload"])
        self.line(f"$ invoke {function}: {response.get('FunctionError') or json.dumps(result)}")
        return result

    def mapping(self, logical_id: str, *, enabled: bool) -> None:
        """Start or stop a function's reading of its queue."""
        self.aws["lambda"].update_event_source_mapping(UUID=self.names[logical_id], Enabled=enabled)

    def page(self) -> str:
        """Return the sections so far, in Markdown."""
        self._end()
        return "\n".join(self._parts)

    def _end(self) -> None:
        if self._lines:
            runs = [(line, len(list(same))) for line, same in groupby(self._lines)]
            shown = [line if count == 1 else f"{line} ({count} times)" for line, count in runs]
            self._parts.append("```\n" + "\n".join(shown) + "\n```\n")
            self._lines = []

    def _lines_of_log(self) -> list[dict[str, Any]]:
        lines = [each for each in self._log.read_text(errors="replace").splitlines() if each.startswith('{"level"')]
        return [json.loads(each) for each in lines if each.endswith("}")]

    def _subscribed_queue(self, topic: str) -> str:
        url: str = self.aws["sqs"].create_queue(QueueName="on-call")["QueueUrl"]
        attributes = self.aws["sqs"].get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": attributes["QueueArn"],
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.aws["sqs"].set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        self.aws["sns"].subscribe(TopicArn=topic, Protocol="sqs", Endpoint=attributes["QueueArn"])
        return url

    def _notified(self) -> set[str]:
        found = self.aws["sqs"].receive_message(QueueUrl=self._on_call, MaxNumberOfMessages=10).get("Messages", [])
        for each in found:
            self.aws["sqs"].delete_message(QueueUrl=self._on_call, ReceiptHandle=each["ReceiptHandle"])
        bodies = [json.loads(json.loads(each["Body"])["Message"]) for each in found]
        return {f"{each['AlarmName']}: {each['NewStateValue']}" for each in bodies}


def wait_for(look: Callable[[], Any]) -> Any:
    """Return what `look` returns, once that is something. Raises TimeoutError."""
    end = time.monotonic() + _WAIT_S
    while not (found := look()):
        if time.monotonic() > end:
            raise TimeoutError(look)
        time.sleep(0.3)
    return found
