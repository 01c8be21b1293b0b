from __future__ import annotations

import pytest

from imagegen.catalog.registry import REGISTRY, SCHEDULERS, Model, offered
from tests.support.plans import spec


def test_an_unregistered_model_is_rejected_at_startup() -> None:
    with pytest.raises(ValueError, match=r"none-such.*demo"):
        offered(["demo", "none-such"])
    assert list(offered(["sd-turbo", "demo"])) == ["sd-turbo", "demo"]


@pytest.mark.parametrize("model", REGISTRY.values(), ids=lambda model: model.id)
def test_the_defaults_of_every_model_are_within_its_limits(model: Model) -> None:
    assert spec(model=model.id).model_id == model.id
    assert set(model.schedulers) <= set(SCHEDULERS)
