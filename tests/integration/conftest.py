"""AWS mocked by moto, with the resources of template.yaml."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator

import pytest

from imagegen import telemetry
from tests.support.job_handlers import JobHandlers
from tests.support.job_world import JobWorld
from tests.support.slept_time import SleptTime
from tools.faults.template_resources import BUCKET, QUEUE, TABLE, moto_resources, translated_template
from tools.local.template import Template


@pytest.fixture(scope="session")
def translated() -> Template:
    return translated_template()


@pytest.fixture
def bucket(translated: Template) -> Iterator[str]:
    """Name of the image bucket."""
    with moto_resources(translated, BUCKET) as names:
        yield names["Bucket"]


@pytest.fixture
def queues(translated: Template) -> Iterator[dict[str, str]]:
    """URLs of the queues by logical ID."""
    with moto_resources(translated, QUEUE) as names:
        yield names


@pytest.fixture
def resources(translated: Template) -> Iterator[dict[str, str]]:
    """Names of bucket and table and URLs of the queues, by logical ID."""
    with moto_resources(translated, BUCKET, TABLE, QUEUE) as names:
        yield names


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> SleptTime:
    """The time that retries of store calls sleep, and the only one that they see: they end after two seconds."""
    time = SleptTime()
    monkeypatch.setattr("imagegen.retry.time", time)
    return time


@pytest.fixture
def world(resources: dict[str, str], slept: SleptTime) -> JobWorld:
    """The product's jobs. Whether a call is retried does not depend on how busy the machine is."""
    return JobWorld(resources)


@pytest.fixture
def handlers(world: JobWorld, monkeypatch: pytest.MonkeyPatch) -> JobHandlers:
    return JobHandlers(world, monkeypatch)


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Returns everything printed so far. The logger keeps its first stream, which capsys does not capture."""
    log = io.StringIO()
    handler = telemetry.logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    original = handler.setStream(log)
    yield lambda: log.getvalue() + "".join(capsys.readouterr())
    handler.setStream(original)
