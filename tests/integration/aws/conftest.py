from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.limits_world import LimitsWorld
from tools.faults.template_resources import TABLE, moto_resources
from tools.local.template import Template


@pytest.fixture
def limits(translated: Template) -> Iterator[LimitsWorld]:
    """Limits on the template's table."""
    with moto_resources(translated, TABLE) as names:
        yield LimitsWorld(names["Table"])
