from __future__ import annotations

import re

from imagegen.api.openapi.problems import ERRORS
from imagegen.generation import field_errors
from tests.conftest import ROOT
from tests.template.test_api import GATEWAY_ERRORS
from tests.unit.test_docs import NEVER_SENT
from tests.unit.test_errors import LEAVES


def test_every_error_of_the_code_and_of_the_gateway_has_an_example() -> None:
    sent = {(error.code, error.status) for error in LEAVES if error.code not in NEVER_SENT}
    gateway = {(code, status) for status, code in GATEWAY_ERRORS.values()}
    fields = {(code, 422) for code in field_errors.FIELD_CODES}
    assert sent | gateway | fields == {(code, error.status) for code, error in ERRORS.items()}


def test_the_codes_are_those_of_the_contract() -> None:
    table = re.findall(r"^\| (\d{3}) \| (.+?) \|", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    documented = {(code, int(status)) for status, codes in table for code in re.findall(r"`(\w+)`", codes)}
    assert documented == {(code, error.status) for code, error in ERRORS.items()}
