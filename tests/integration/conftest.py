"""moto with the resources of template.yaml."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator

import pytest

from imagegen import telemetry
from tools.faults.template_resources import BUCKET, QUEUE, TABLE, moto_resources, translated_template
from tools.local.template import Template


@pytest.fixture(scope="session")
def translated() -> Template:
    return translated_template()


@pytest.fixture
def bucket(translated: Template) -> Iterator[str]:
    """Name of the images' bucket."""
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
def printed(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Everything printed so far, and logged: the logger keeps the stream it was created with, which pytest replaces."""
    log = io.StringIO()
    handler = telemetry.logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    before = handler.setStream(log)
    yield lambda: log.getvalue() + "".join(capsys.readouterr())
    handler.setStream(before)
