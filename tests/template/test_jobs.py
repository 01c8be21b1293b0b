"""The jobs table, its queues and their consumers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.evaluate import Resources, Template, evaluate


def source(resources: Resources, name: str) -> Any:
    """Return the properties of the function's only event source mapping."""
    (found,) = [
        each["Properties"]
        for each in resources.values()
        if each["Type"] == "AWS::Lambda::EventSourceMapping"
        and each["Properties"]["FunctionName"] == {"Ref": f"{name}Aliaslive"}
    ]
    return found


def test_the_table_has_ttl_and_point_in_time_recovery(resources: Resources) -> None:
    table = resources["Table"]["Properties"]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert "SSESpecification" not in table


def test_the_table_with_the_bills_is_protected_and_outlives_a_replacement(resources: Resources) -> None:
    """CloudFormation cannot delete it until `make destroy` has exported the bills and switched the protection off."""
    table = resources["Table"]
    assert table["Properties"]["DeletionProtectionEnabled"] is True
    assert table["UpdateReplacePolicy"] == "Retain"


def test_the_table_is_encrypted_with_a_kms_key(template: Template) -> None:
    key = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd"
    table = evaluate(template, KmsKeyArn=key)["Table"]["Properties"]
    assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}


def test_a_worker_takes_one_job_at_a_time_and_workers_are_limited(resources: Resources) -> None:
    jobs = source(resources, "Worker")
    assert (jobs["BatchSize"], jobs["EventSourceArn"]) == (1, {"Fn::GetAtt": ["JobsQueue", "Arn"]})
    assert str(jobs["ScalingConfig"]["MaximumConcurrency"]) == "5"


@pytest.mark.parametrize("name", ["Worker", "DeadLetters"])
def test_only_failed_records_are_retried(resources: Resources, name: str) -> None:
    assert source(resources, name)["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@pytest.mark.parametrize(("name", "queue"), [("Worker", "JobsQueue"), ("DeadLetters", "JobsDeadLetters")])
def test_visibility_timeout_exceeds_the_functions_timeout(resources: Resources, name: str, queue: str) -> None:
    assert resources[queue]["Properties"]["VisibilityTimeout"] > resources[name]["Properties"]["Timeout"]
    assert resources[queue]["Properties"]["SqsManagedSseEnabled"] is True


def test_the_sweeper_runs_every_minute_and_ends_before_the_next_run(resources: Resources) -> None:
    (schedule,) = [
        each["Properties"]
        for each in resources.values()
        if each["Type"] == "AWS::Scheduler::Schedule"
        and each["Properties"]["Target"]["Arn"] == {"Ref": "SweeperAliaslive"}
    ]
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert resources["Sweeper"]["Properties"]["Timeout"] < 60


@pytest.mark.parametrize("name", ["Generator", "Worker", "Api", "DeadLetters", "Webhooks"])
def test_an_update_replaces_the_sweeper_before_the_functions_whose_rows_it_must_find(
    resources: Resources, name: str
) -> None:
    assert "Sweeper" in resources[name]["DependsOn"]


def test_every_queue_rejects_plain_http(resources: Resources) -> None:
    queues = {name for name, each in resources.items() if each["Type"] == "AWS::SQS::Queue"}
    policies = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::SQS::QueuePolicy"]
    covered = set()
    for policy in policies:
        ((queue,),) = [each.values() for each in policy["Queues"]]
        covered.add(queue)
        assert policy["PolicyDocument"]["Statement"] == [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sqs:*",
                "Resource": {"Fn::GetAtt": [queue, "Arn"]},
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ]
    assert covered == queues
    assert len(policies) == len(queues) == 4
