"""Rollouts and the way back, as an environment that is alive meanwhile sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from imagegen.catalog import description
from imagegen.catalog.current_models import FRESH_S, PAUSE_S, CurrentModels
from imagegen.catalog.image_models import ImageModels
from imagegen.catalog.published import PublishedVersions
from imagegen.catalog.registry import REGISTRY
from imagegen.catalog.rollout import Release, Rollout
from imagegen.errors import ModelNotFound, ModelUnavailable, StorageUnavailable
from tests.support.published import ENGINE, MemoryObjects, folder_of, publish

DEMO = REGISTRY["demo"]


@dataclass
class World:
    """An environment, its bucket and its parameter, which tests change."""

    folders: Path
    text: str | None = None
    reachable: bool = True
    now_s: float = 1_000_000
    reads: int = 0
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    refusals: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start another environment."""
        image = ImageModels({"demo": DEMO}, "demo")
        published = PublishedVersions(self.objects, ENGINE, 10**9)
        self.models = CurrentModels(image, self, published, self, lambda: int(self.now_s * 1000))

    def read(self) -> str | None:
        self.reads += 1
        if not self.reachable:
            raise StorageUnavailable(private="SSM: EndpointConnectionError")
        return self.text

    def rollout_refused(self, name: str, version: str, cause: str) -> None:
        self.refusals.append((name, version, cause))

    def publish(self, text: str, model_id: str = "demo") -> Release:
        return publish(self.objects, folder_of(self.folders / text, text), REGISTRY[model_id])

    def roll(self, rollout: Rollout) -> None:
        """Store a rollout, and let the environment read it."""
        self.text = rollout.dump()
        self.now_s += FRESH_S

    def version(self, name: str | None = None) -> str:
        return self.models.model(name).version


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def a(world: World) -> Release:
    return world.publish("a")


@pytest.fixture
def b(world: World) -> Release:
    return world.publish("b")


def test_without_a_rollout_the_image_decides(world: World) -> None:
    assert (world.version(), world.version("demo"), world.version(DEMO.version)) == (DEMO.version,) * 3
    assert (world.reads, world.refusals) == (1, [])


def test_a_switch_takes_effect_within_a_minute_and_so_does_the_way_back(world: World, a: Release, b: Release) -> None:
    first = Rollout(a.version, DEMO.version, releases=(a, b))
    world.roll(first)
    assert (world.version(), world.version("demo")) == (a.version, a.version)
    world.text = first.switched(b.version).dump()
    world.now_s += FRESH_S - 1
    assert world.version() == a.version
    world.now_s += 1
    assert (world.version(), world.version("demo")) == (b.version, b.version)
    world.roll(first)
    assert world.version() == a.version
    assert world.refusals == []


def test_all_versions_can_be_named_whatever_the_default_is(world: World, a: Release, b: Release) -> None:
    world.roll(Rollout(b.version, releases=(a, b)))
    assert [world.version(name) for name in (a.version, b.version, DEMO.version)] == [
        a.version,
        b.version,
        DEMO.version,
    ]
    assert world.models.model(a.version).revision == a.digest


def test_a_published_version_that_nothing_names_changes_nothing(world: World, a: Release) -> None:
    world.roll(Rollout(releases=(a,)))
    assert (world.version(), world.version("demo")) == (DEMO.version, DEMO.version)


def test_an_alias_is_a_name_and_may_be_that_of_a_model(world: World, a: Release, b: Release) -> None:
    turbo = world.publish("c", "sd-turbo")
    aliases = {"stable": a.version, "demo": b.version}
    world.roll(Rollout(turbo.version, releases=(a, b, turbo), aliases=aliases))
    names = {"stable": a.version, "demo": b.version, "sd-turbo": turbo.version, None: turbo.version}
    assert {name: world.version(name) for name in names} == names
    with pytest.raises(ModelNotFound) as refusal:
        world.version("sd-1.5")
    assert refusal.value.detail.startswith("model must be one of demo, stable, demo@")


def break_description(world: World, release: Release) -> None:
    world.objects.bodies[release.prefix + description.NAME] += b" "


def break_manifest(world: World, release: Release) -> None:
    world.objects.bodies[f"{release.prefix}{ENGINE}/manifest.json"] += b" "


def lose_weights(world: World, release: Release) -> None:
    del world.objects.bodies[f"{release.prefix}{ENGINE}/unet/openvino_model.bin"]


def lose_everything(world: World, release: Release) -> None:
    world.objects.bodies = {key: body for key, body in world.objects.bodies.items() if release.prefix not in key}


BREAKAGES = [break_description, break_manifest, lose_weights, lose_everything]


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_version_that_does_not_verify_never_becomes_the_default(
    world: World, a: Release, b: Release, breakage: Callable[[World, Release], None]
) -> None:
    world.roll(Rollout(a.version, releases=(a, b)))
    assert world.version() == a.version
    breakage(world, b)
    world.roll(Rollout(b.version, a.version, releases=(a, b)))
    assert (world.version(), world.version("demo"), world.version()) == (a.version,) * 3
    ((name, version, cause),) = world.refusals
    assert (name, version) == ("default", b.version)
    assert cause.startswith(b.prefix)
    with pytest.raises(ModelUnavailable):
        world.version(b.version)


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_new_environment_takes_the_previous_default_and_then_the_images(
    world: World, a: Release, b: Release, breakage: Callable[[World, Release], None]
) -> None:
    breakage(world, b)
    world.roll(Rollout(b.version, a.version, releases=(a, b)))
    world.start()
    assert world.version() == a.version
    breakage(world, a)
    world.start()
    assert world.version() == DEMO.version


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_an_environment_that_has_missed_a_switch_takes_the_previous_default_too(
    world: World, a: Release, b: Release, breakage: Callable[[World, Release], None]
) -> None:
    world.roll(Rollout(a.version, releases=(a, b)))
    assert world.version() == a.version
    breakage(world, b)
    world.roll(Rollout(b.version, DEMO.version, releases=(a, b)))  # the switch from a to the image's was not read
    assert world.version() == DEMO.version


@pytest.mark.parametrize("name", ["demo@ffffffffffff", "sd-1.5@ffffffffffff", "sd-turbo@b261bac6fd2c"])
def test_an_unknown_version_never_becomes_the_default(world: World, a: Release, name: str) -> None:
    world.roll(Rollout(a.version, releases=(a,)))
    assert world.version() == a.version
    world.roll(Rollout(name, a.version, releases=(a,), aliases={"stable": name}))
    assert world.version() == a.version
    with pytest.raises(ModelNotFound):
        world.version("stable")
    world.start()
    assert world.version() == a.version


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_version_that_was_damaged_while_it_was_on_offer_never_becomes_the_default(
    world: World, a: Release, b: Release, breakage: Callable[[World, Release], None]
) -> None:
    world.roll(Rollout(a.version, releases=(a, b)))
    assert world.version(b.version) == b.version
    breakage(world, b)
    world.roll(Rollout(b.version, a.version, releases=(a, b)))
    assert world.version() == a.version


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_without_a_previous_default_it_is_the_images_in_every_environment(
    world: World, a: Release, b: Release, breakage: Callable[[World, Release], None]
) -> None:
    """As after the way back to the image's model, and a switch to a version that is then damaged."""
    world.roll(Rollout(a.version, releases=(a, b)))
    assert world.version() == a.version
    breakage(world, b)
    world.roll(Rollout(b.version, releases=(a, b)))
    assert world.version() == DEMO.version
    world.start()
    assert world.version() == DEMO.version


def test_a_version_that_is_mended_is_used_half_a_minute_later(world: World, a: Release) -> None:
    key = f"{a.prefix}{ENGINE}/manifest.json"
    body = world.objects.bodies.pop(key)
    world.roll(Rollout(a.version, releases=(a,)))
    assert world.version() == DEMO.version
    world.objects.bodies[key] = body
    world.now_s += PAUSE_S - 1
    assert world.version() == DEMO.version
    world.now_s += 1
    assert world.version() == a.version


@pytest.mark.parametrize("text", [None, "{", '{"format": 2}'])
def test_a_parameter_that_cannot_be_read_leaves_the_last_rollout_and_fails_no_request(
    world: World, a: Release, text: str | None
) -> None:
    world.roll(Rollout(a.version, releases=(a,)))
    assert world.version() == a.version
    kept, world.reachable = world.text, text is not None
    world.text, world.now_s = text, world.now_s + 24 * 3600
    assert (world.version(), world.version()) == (a.version, a.version)
    assert [name for name, _, _ in world.refusals] == [""]
    world.text, world.reachable, world.now_s = kept, True, world.now_s + PAUSE_S
    assert world.version() == a.version
    world.text, world.reachable = text, text is not None
    world.start()
    assert world.version() == DEMO.version


def test_an_unreachable_bucket_leaves_the_default_as_it_is(world: World, a: Release, b: Release) -> None:
    world.roll(Rollout(a.version, releases=(a, b)))
    assert world.version() == a.version
    world.objects.failing = True
    world.roll(Rollout(b.version, a.version, releases=(a, b)))
    assert world.version() == a.version
    with pytest.raises(StorageUnavailable):
        world.version(b.version)
    world.objects.failing, world.now_s = False, world.now_s + PAUSE_S
    assert world.version() == b.version


def let_the_bucket_hang(world: World) -> None:
    def hang() -> None:
        world.now_s += 15

    world.objects.failing, world.objects.before_failing = True, hang


def test_a_bucket_that_hangs_costs_a_request_one_attempt_and_not_one_for_each_version(
    world: World, a: Release, b: Release
) -> None:
    c = world.publish("c")
    world.roll(Rollout(a.version, b.version, {"stable": c.version}, releases=(a, b, c)))
    let_the_bucket_hang(world)
    began = world.now_s
    assert world.version() == DEMO.version
    assert world.models.on_offer().versions == (DEMO,)
    with pytest.raises(StorageUnavailable):
        world.version("stable")
    assert world.now_s - began == 15
    world.objects.failing, world.now_s = False, world.now_s + PAUSE_S
    assert (world.version(), world.version("stable")) == (a.version, c.version)


def test_a_version_that_has_verified_is_used_while_the_bucket_hangs(world: World, a: Release, b: Release) -> None:
    world.roll(Rollout(a.version, releases=(a, b)))
    assert world.version() == a.version
    let_the_bucket_hang(world)
    world.roll(Rollout(b.version, a.version, releases=(a, b)))
    began = world.now_s
    assert (world.version(), world.version(a.version)) == (a.version, a.version)
    assert world.now_s - began == 15


def test_a_failing_parameter_is_asked_again_after_half_a_minute_and_not_by_each_request(world: World) -> None:
    world.reachable = False
    for _ in range(5):
        assert world.version() == DEMO.version
    assert world.reads == 1
    world.now_s += PAUSE_S
    world.version()
    assert world.reads == 2


def test_a_clock_that_is_set_back_does_not_keep_the_rollout(world: World, a: Release) -> None:
    world.version()
    world.text = Rollout(a.version, releases=(a,)).dump()
    world.now_s -= 86_400
    assert world.version() == a.version


def test_a_job_keeps_its_version_through_a_switch_and_a_removal_of_the_rollout(
    world: World, a: Release, b: Release
) -> None:
    world.roll(Rollout(b.version, releases=(a, b)))
    assert world.models.of_job(a.version, None).version == a.version
    assert world.models.of_job(DEMO.version, "demo").version == DEMO.version
    world.text, world.now_s = None, world.now_s + FRESH_S
    assert world.models.of_job(DEMO.version, None).version == DEMO.version
    with pytest.raises(ModelNotFound):
        world.models.of_job(a.version, None)


def test_a_job_of_an_earlier_release_runs_on_the_model_of_its_time(world: World, a: Release) -> None:
    world.roll(Rollout(a.version, releases=(a,)))
    assert world.version() == a.version
    assert world.models.of_job("", None) is DEMO
    assert world.models.of_job("", "demo") is DEMO


def test_a_worker_that_has_not_read_the_newest_rollout_reads_it_for_a_job(world: World, a: Release) -> None:
    world.version()
    world.text = Rollout(a.version, releases=(a,)).dump()
    assert world.models.of_job(a.version, None).version == a.version
    assert world.reads == 2


def test_a_worker_that_cannot_read_the_rollout_leaves_the_job_to_a_later_run(world: World, a: Release) -> None:
    world.reachable = False
    with pytest.raises(StorageUnavailable) as caught:
        world.models.of_job(a.version, None)
    assert caught.value.retryable


@pytest.mark.parametrize("name", [None, "demo", "stable"])
def test_a_job_that_another_image_accepted_survives_a_deployment(world: World, a: Release, name: str | None) -> None:
    """In both directions: a new Api sends jobs to old workers, and old jobs wait for new ones."""
    world.roll(Rollout(a.version, aliases={"stable": "demo@000000000000"}, releases=(a,)))
    assert world.models.of_job("demo@000000000000", name) is DEMO
    for version, asked in (("demo@000000000000", "demo@000000000000"), ("sd-turbo@000000000000", None)):
        with pytest.raises(ModelNotFound):
            world.models.of_job(version, asked)


def test_a_job_of_a_retired_version_runs_on_no_other(world: World, a: Release, b: Release) -> None:
    world.roll(Rollout(b.version, releases=(b,)))
    with pytest.raises(ModelNotFound):
        world.models.of_job(a.version, None)
    world.objects.failing = True
    with pytest.raises(StorageUnavailable):
        world.models.of_job(a.version, None)


def test_an_environment_that_has_read_no_rollout_does_not_call_a_published_version_unknown(
    world: World, a: Release
) -> None:
    world.text, world.reachable = Rollout(a.version, aliases={"stable": a.version}, releases=(a,)).dump(), False
    for name in (a.version, "stable"):
        with pytest.raises(StorageUnavailable) as caught:
            world.version(name)
        assert caught.value.retryable
    assert (world.version("demo"), world.reads) == (DEMO.version, 1)
    world.reachable, world.now_s = True, world.now_s + PAUSE_S
    assert (world.version(a.version), world.version("stable")) == (a.version, a.version)
    with pytest.raises(ModelNotFound):
        world.version("sd-1.5")


def test_what_is_on_offer(world: World, a: Release, b: Release) -> None:
    turbo, broken = world.publish("c", "sd-turbo"), world.publish("d")
    break_manifest(world, broken)
    aliases = {"stable": a.version, "gone": "demo@ffffffffffff"}
    world.roll(Rollout(b.version, a.version, aliases, (a, b, turbo, broken)))
    offer = world.models.on_offer()
    assert offer.default.version == b.version
    assert {each.version for each in offer.versions} == {DEMO.version, a.version, b.version, turbo.version}
    assert {name: each.version for name, each in offer.current.items()} == {"demo": b.version}
    assert {name: each.version for name, each in offer.aliases.items()} == {"stable": a.version}
