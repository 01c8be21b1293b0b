"""What a container builds, how often, and when it loads a model."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from imagegen import wiring
from imagegen.catalog import manifest
from imagegen.catalog.image_models import ImageModels
from imagegen.catalog.manifest import Flops
from imagegen.catalog.published import PublishedVersions
from imagegen.catalog.registry import REGISTRY, Model
from imagegen.engines.loader import EngineLoader
from imagegen.errors import ModelUnavailable
from imagegen.generation.ports import Backend, Engine
from imagegen.generation.workload import Workload
from imagegen.settings import Settings
from imagegen.wiring import Container
from tests.support.fakes import FakeEngine
from tests.support.published import ENGINE, MemoryObjects, folder_of, publish

PARTS = sorted(name for name, value in vars(Container).items() if isinstance(value, cached_property | property))
VALUES = {"backend", "on_gpu", "content_credentials"}
"""Parts that may be equal in two containers."""
DEMO = REGISTRY["demo"]


class Loads(list[tuple[Model, Backend]]):
    """Engine loads, instead of the loader's."""

    failing: ModelUnavailable | None = None

    def load(self, _: EngineLoader, model: Model, backend: Backend) -> Engine:
        self.append((model, backend))
        if self.failing is not None:
            raise self.failing
        return FakeEngine()


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Loads:
    recorded = Loads()
    monkeypatch.setattr(EngineLoader, "load", lambda *arguments: recorded.load(*arguments))
    return recorded


def container(**settings: Any) -> Container:
    return Container(Settings(**settings))


@pytest.mark.parametrize("part", PARTS)
def test_each_part_is_built_once(part: str) -> None:
    built = container()
    assert getattr(built, part) is getattr(built, part)


def test_the_parts_of_a_container_share_their_own_parts() -> None:
    built = container()
    runner, recovery = built.job_runner, built.job_recovery
    assert (runner.jobs, runner.store, runner.outbox) == (built.jobs, built.job_store, built.outbox)
    assert (runner.planner, runner.images) == (built.planner, built.images)
    assert (recovery.store, recovery.outbox) == (built.job_store, built.outbox)


def test_containers_share_nothing() -> None:
    one, other = container(), container()
    assert all(getattr(one, part) is not getattr(other, part) for part in PARTS if part not in VALUES)


def test_an_assigned_part_is_used_by_the_others() -> None:
    built = container()
    store = built.job_store = container().job_store
    assert built.job_runner.store is built.job_recovery.store is store


def test_a_container_reads_the_settings_once(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Settings] = []

    def read() -> Settings:
        built.append(Settings())
        return built[-1]

    monkeypatch.setattr(wiring, "Settings", read)
    made = Container.from_environment()
    for part in PARTS:
        getattr(made, part)
    assert built == [made.settings]
    assert made.settings is built[0]


def test_an_unknown_model_id_stops_the_start_and_names_those_allowed() -> None:
    with pytest.raises(ValueError, match="MODEL_IDS") as refusal:
        container(model_ids=("demo", "none-such"))
    message = str(refusal.value)
    assert message == f"MODEL_IDS contains unknown ids: none-such. Allowed: {', '.join(REGISTRY)}"


# -- preloading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("initialization_type", ["on-demand", "provisioned-concurrency"])
def test_lambda_loads_the_default_model_early(loads: Loads, initialization_type: str) -> None:
    made = container(aws_lambda_initialization_type=initialization_type, model_ids=("demo", "sd-turbo"))
    engines, preferred = made.engines, made.backend
    assert loads == [(DEMO, preferred)]
    assert engines.held_s(DEMO, preferred) is not None
    assert engines.resident(DEMO, preferred).load_s > 0
    assert len(loads) == 1


@pytest.mark.parametrize(
    ("initialization_type", "cause"),
    [
        ("", "new_environment"), ("on-demand", "new_environment"), ("snap-start", "new_environment"),
        ("lambda-managed-instances", "new_environment"), ("provisioned-concurrency", "provisioned"),
    ],
)  # fmt: skip
def test_the_first_load_has_the_cause_of_the_environment(loads: Loads, initialization_type: str, cause: str) -> None:
    made = container(aws_lambda_initialization_type=initialization_type)
    assert made.engines.resident(DEMO, made.backend).cause == cause


def test_nothing_is_loaded_early_outside_lambda(loads: Loads) -> None:
    made = container(aws_lambda_initialization_type="")
    assert made.engines.held_s(DEMO, made.backend) is None
    assert loads == []


def test_a_part_that_needs_no_engine_loads_none(loads: Loads) -> None:
    made = container(aws_lambda_initialization_type="on-demand")
    _ = (made.planner, made.backend, made.jobs, made.job_sweep, made.job_renderer, made.webhook_sender)
    assert loads == []


def test_a_failing_preload_is_left_to_the_request(loads: Loads) -> None:
    loads.failing = ModelUnavailable("gone")
    made = container(aws_lambda_initialization_type="on-demand")
    engines, preferred = made.engines, made.backend
    assert len(loads) == 1
    with pytest.raises(ModelUnavailable):
        engines.resident(DEMO, preferred)
    loads.failing = None
    resident = engines.resident(DEMO, preferred)
    assert (resident.load_s > 0, resident.cause) == (True, "failed_load")


def test_a_preload_without_enough_memory_is_left_to_the_request(loads: Loads) -> None:
    made = container(aws_lambda_initialization_type="on-demand", aws_lambda_function_memory_size=128)
    engines = made.engines
    with pytest.raises(ModelUnavailable, match="128 MB"):
        engines.resident(DEMO, made.backend)
    assert loads == []


def test_a_default_that_must_be_downloaded_first_is_left_to_the_request(loads: Loads, tmp_path: Path) -> None:
    made = container(aws_lambda_initialization_type="on-demand", device="cpu", model_storage_dir=tmp_path / "disk")
    objects = MemoryObjects()
    release = publish(objects, folder_of(tmp_path / "a", "a"))
    made.published_versions = PublishedVersions(objects, ENGINE, 10**9)
    published = made.published_versions.model(release)
    made.catalog = ImageModels({"demo": published}, "demo")
    engines, preferred = made.engines, made.backend
    assert loads == []
    assert engines.resident(published, preferred).load_s > 0
    assert loads == [(published, preferred)]


def test_the_work_of_a_model_is_read_from_its_manifest(tmp_path: Path) -> None:
    made = container(models_dir=tmp_path, engines=("openvino",), device="cpu")
    backend = made.backend
    assert made._workload(DEMO, backend) is None
    weights = tmp_path / "demo" / "openvino" / "unet" / "openvino_model.bin"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(bytes(1000))
    counts = Flops(denoise_step=4, decode=3, text_encode=2, image_encode=1)
    manifest.write(tmp_path / "demo" / "openvino", flops=counts)
    assert made._workload(DEMO, backend) == Workload(counts, weight_bytes=1000)
    assert made._workload(DEMO, replace(backend, device="cuda")) is None


@pytest.mark.parametrize(
    ("settings", "judged"),
    [
        ({}, {"sd-turbo"}),
        ({"picture_check": "on"}, {"demo", "sd-turbo"}),
        ({"picture_check": "off"}, set()),
        ({"moderation": False}, set()),
        ({"moderation": False, "picture_check": "on"}, set()),
    ],
)
def test_pictures_of_every_model_but_the_demo_model_are_judged(settings: dict[str, Any], judged: set[str]) -> None:
    moderation = container(model_ids=("demo", "sd-turbo"), **settings).picture_moderation
    assert {each for each in ("demo", "sd-turbo") if moderation.of(REGISTRY[each], "alice")} == judged


def test_tenants_have_the_thresholds_of_the_settings() -> None:
    built = container(model_ids=("sd-turbo",), picture_thresholds='{"acme": {"sexual": 0.3}}').picture_moderation
    rules = [check.rule for tenant in ("acme", "alice") if (check := built.of(REGISTRY["sd-turbo"], tenant))]
    assert ['"sexual":0.3' in rule for rule in rules] == [True, False]


def test_the_safety_checker_needs_torch() -> None:
    settings: dict[str, Any] = {"model_ids": ("sd-turbo",), "picture_checker": "safety_checker"}
    with pytest.raises(ValueError, match="ENGINES has no torch"):
        container(engines=("openvino",), **settings)
    container(engines=("torch",), **settings)
    container(engines=("openvino",), picture_checker="safety_checker")


@pytest.mark.parametrize("settings", [{"model_ids": ("sd-turbo",)}, {"picture_check": "on"}])
def test_a_deployment_that_can_judge_nothing_does_not_start(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="PICTURE_CHECK=off"):
        container(engines=("torch",), **settings)
    container(engines=("torch",), **{**settings, "picture_check": "off"})
    container(engines=("torch",))


def test_thresholds_that_mean_nothing_do_not_start() -> None:
    with pytest.raises(ValueError, match="no tenant"):
        container(picture_thresholds='{"a b": {}}')


def test_redis_is_in_front_of_the_stores_if_the_deployment_has_one() -> None:
    without, having = container(), container(redis_url="redis://localhost")
    assert without.redis is None
    assert type(without.image_store).__name__ == "S3ImageStore"
    parts = [having.image_store, having.limiter.rates, having.limiter.admissions]
    assert [type(part).__name__ for part in parts] == ["RedisImageStore", "RedisRateLimits", "RedisAdmissions"]
    assert type(having.quotas).__name__ == "DynamoQuotas", "money stays in the table"


# -- versions of models ------------------------------------------------------------------------------------------------


def test_a_deployment_without_a_rollout_needs_no_aws_for_its_models(tmp_path: Path) -> None:
    """boto3 takes a quarter of a second to import, in which the engine loads."""
    made = container(models_dir=tmp_path)
    assert made.catalog.model(None) is DEMO
    assert made.model_folders.folder(DEMO, "torch") == tmp_path / "demo" / "torch"
    assert made.model_folders.manifest_folder(DEMO, "torch") == tmp_path / "demo" / "torch"
    assert made.model_folders.missing_bytes(DEMO) == 0
    assert not {"published_versions", "model_store"} & vars(made).keys()


def test_a_published_version_is_on_offer_and_its_files_come_from_the_bucket(tmp_path: Path) -> None:
    made = container(model_rollout="/stack/models", model_storage_dir=tmp_path / "disk", device="cpu")
    objects = MemoryObjects()
    made.published_versions = PublishedVersions(objects, ENGINE, 10**9)
    release = publish(objects, folder_of(tmp_path / "source", "a"))
    model = made.published_versions.model(release)
    workload = made._workload(model, made.backend)
    assert workload is not None
    assert (workload.weight_bytes, workload.download_bytes > 1000, objects.ranges) == (1000, True, [])
    folder = made.model_folders.folder(model, ENGINE)
    assert folder.is_relative_to(tmp_path / "disk")
    assert made.model_folders.missing_bytes(model) == 0


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, ""),
        ({"worker_memory_mb": 799}, "needs 800 MB at least; the functions have 799 MB"),
        ({"engines": ("torch",)}, "has pictures that nothing here can judge: ENGINES has no openvino"),
        ({"engines": ("torch",), "picture_check": "off"}, ""),
        ({"engines": ("torch",), "moderation": False}, ""),
    ],
)
def test_a_published_version_that_cannot_run_here_is_refused(settings: dict[str, Any], reason: str) -> None:
    made = container(device="cpu", precision="float32", **settings)
    assert made._refusal(replace(DEMO, source="bucket", harmless=False)) == reason


def test_a_published_version_is_judged_whatever_its_id(tmp_path: Path) -> None:
    moderation = container().picture_moderation
    assert moderation.of(DEMO, "local") is None
    assert moderation.of(replace(DEMO, source="bucket", harmless=False), "local") is not None
