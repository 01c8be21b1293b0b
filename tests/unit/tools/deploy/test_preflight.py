"""A deployment that could not generate anything is refused before it is built."""

from __future__ import annotations

import pytest

from tools.deploy.parameters import resolve
from tools.deploy.preflight import issuers_problem, model_problem


@pytest.mark.parametrize(
    ("model", "memory", "problem"),
    [
        ("demo", "3008", None),
        ("sd-turbo", "10240", None),
        ("sd-turbo", "3008", "Model=sd-turbo needs GeneratorMemory=4500 or more, not 3008."),
        ("nope", "10240", "Model=nope is not in the registry. Choose one of demo, "),
    ],
)
def test_the_model_is_known_and_fits_the_memory(model: str, memory: str, problem: str | None) -> None:
    values = {name: each.value for name, each in resolve("dev", []).items()}
    found = model_problem(values | {"Model": model, "GeneratorMemory": memory})
    assert found is None if problem is None else problem in str(found)


@pytest.mark.parametrize(
    ("issuers", "problem"),
    [
        ("", None),
        ('[{"issuer": "https://id.example.com", "audiences": ["images"]}]', None),
        ("[id.example.com]", "TokenIssuers: the list: Invalid JSON"),
        ('[{"issuer": "http://id.example.com", "audiences": ["images"]}]', "TokenIssuers: 0.issuer: "),
        ('[{"issuer": "https://id.example.com"}]', "TokenIssuers: 0.audiences: Field required"),
        ('[{"issuer": "https://id.example.com", "audiences": ["images"], "tenant": []}]', "0.tenant: Extra inputs"),
    ],
)
def test_issuers_with_which_the_authorizer_could_not_start_are_named(issuers: str, problem: str | None) -> None:
    found = issuers_problem({"TokenIssuers": issuers})
    assert found is None if problem is None else problem in str(found)


def test_an_issuer_is_listed_once() -> None:
    twice = ", ".join(['{"issuer": "https://id.example.com", "audiences": ["images"]}'] * 2)
    assert issuers_problem({"TokenIssuers": f"[{twice}]"}) == "TokenIssuers: each issuer must be listed once."
