"""A deployment that could not generate anything is refused before it is built."""

from __future__ import annotations

import pytest

from tools.deploy.parameters import resolve
from tools.deploy.preflight import model_problem


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
