"""What a deployment without a rollout offers."""

from __future__ import annotations

import pytest

from imagegen.catalog.image_models import ImageModels
from imagegen.catalog.registry import REGISTRY
from imagegen.errors import ModelNotFound

DEMO, TURBO = REGISTRY["demo"], REGISTRY["sd-turbo"]
MODELS = ImageModels({"sd-turbo": TURBO, "demo": DEMO}, "sd-turbo")


def test_a_version_is_named_by_its_model_and_the_beginning_of_its_revision() -> None:
    assert (DEMO.version, TURBO.version) == ("demo@6cc6991b014f", "sd-turbo@b261bac6fd2c")


def test_no_two_models_of_the_registry_have_the_same_version() -> None:
    assert len({model.version for model in REGISTRY.values()}) == len(REGISTRY)


@pytest.mark.parametrize(("name", "found"), [(None, TURBO), ("demo", DEMO), (DEMO.version, DEMO)])
def test_a_request_names_an_id_a_version_or_nothing(name: str | None, found: object) -> None:
    assert MODELS.model(name) is found


@pytest.mark.parametrize(
    "name", ["", "@", "demo@", "demo@6cc6991b014", "demo@6cc6991b014f0", "DEMO", "sd-1.5", "default"]
)
def test_whatever_else_it_names_is_refused(name: str) -> None:
    with pytest.raises(ModelNotFound) as refusal:
        MODELS.model(name)
    assert refusal.value.detail == "model must be one of sd-turbo, demo."


@pytest.mark.parametrize(
    ("version", "name", "found"),
    [
        (DEMO.version, None, DEMO),
        ("", None, TURBO),  # stored by an earlier release
        ("", "demo", DEMO),
        ("demo@000000000000", None, DEMO),  # accepted by an earlier image
        ("demo@000000000000", "demo", DEMO),
        ("demo@000000000000", "stable", DEMO),  # an alias, which only the rollout knows
    ],
)
def test_a_job_keeps_its_version_and_survives_a_deployment(version: str, name: str | None, found: object) -> None:
    assert MODELS.of_job(version, name) is found


def test_a_job_whose_caller_named_a_version_runs_on_no_other() -> None:
    with pytest.raises(ModelNotFound):
        MODELS.of_job("demo@000000000000", "demo@000000000000")


def test_everything_in_the_image_is_on_offer() -> None:
    offer = MODELS.on_offer()
    assert (offer.default, offer.versions, offer.aliases) == (TURBO, (TURBO, DEMO), {})
    assert offer.current == {"sd-turbo": TURBO, "demo": DEMO}
