"""Publish, switch and go back: the operator's commands and an environment that reads what they write, on moto.

`make model-publish` and the others run tools/deploy/models.py; files are real, the networks' weights are not.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from imagegen.aws.model_objects import S3ModelObjects, SsmRollout
from imagegen.catalog import manifest
from imagegen.catalog.current_models import FRESH_S, CurrentModels
from imagegen.catalog.image_models import ImageModels
from imagegen.catalog.model_store import ModelStore
from imagegen.catalog.published import PublishedVersions
from imagegen.catalog.registry import REGISTRY
from imagegen.catalog.rollout import InvalidRollout, Release
from imagegen.errors import ModelNotFound, ModelUnavailable
from tests.support.published import ENGINE, folder_of
from tools.deploy import published_objects
from tools.deploy.models import ModelVersions, Refused, listed
from tools.local.stack import models_dir

STACK = "imagegen-test"
DEMO = REGISTRY["demo"]
PARAMETERS = {
    "Model": "demo",
    "Engines": "openvino",
    "ModelRollout": "true",
    "EphemeralStorage": "512",
    "GeneratorMemory": "10240",
    "Moderation": "true",
    "PictureCheck": "auto",
    "PictureChecker": "networks",
}


class World:
    """An operator with prepared folders, and an environment of the functions."""

    def __init__(self, bucket: str, folders: Path):
        self.bucket, self.folders = bucket, folders
        self.s3, self.ssm = boto3.client("s3"), boto3.client("ssm")
        self.now_s, self.refusals = 1_000_000, list[tuple[str, str, str]]()
        self.operator = self.with_parameters()
        published = PublishedVersions(S3ModelObjects(bucket), ENGINE, 10**9)
        self.store = ModelStore(folders / "disk", published)
        self.models = CurrentModels(
            ImageModels({"demo": DEMO}, "demo"),
            SsmRollout(f"/{STACK}/models"),
            published,
            self,
            lambda: self.now_s * 1000,
        )

    def rollout_refused(self, name: str, version: str, cause: str) -> None:
        self.refusals.append((name, version, cause))

    def with_parameters(self, **parameters: str) -> ModelVersions:
        return ModelVersions(STACK, PARAMETERS | parameters, self.bucket, self.s3, self.ssm)

    def prepare(self, text: str, model_id: str = "demo") -> Path:
        models_dir = self.folders / text
        folder_of(models_dir / model_id / ENGINE, text)
        return models_dir

    def publish(self, text: str, model_id: str = "demo") -> Release:
        return self.operator.publish(model_id, self.prepare(text, model_id))

    def default(self) -> str:
        """Return the default that an environment has a minute later."""
        self.now_s += FRESH_S
        return self.models.model(None).version

    def keys(self) -> list[str]:
        return [each["Key"] for each in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]


@pytest.fixture
def world(bucket: str, tmp_path: Path) -> World:
    return World(bucket, tmp_path)


def test_a_rollout_and_the_way_back(world: World) -> None:
    a, b = world.publish("a"), world.publish("b")
    assert world.default() == DEMO.version
    world.operator.switch(a.version)
    assert world.default() == a.version
    world.operator.switch(b.version)
    assert world.default() == b.version
    manifest.verify(world.store.folder(b))
    assert listed(world.operator).splitlines() == [
        f"{DEMO.version}  in the image",
        f"{a.version}  previous default",
        f"{b.version}  default",
    ]
    world.operator.back()
    assert world.default() == a.version
    world.operator.back()
    assert world.default() == b.version
    world.operator.switch(DEMO.version)
    assert world.default() == DEMO.version
    world.operator.back()
    assert world.default() == b.version
    assert world.refusals == []


def test_the_first_way_back_is_to_the_image(world: World) -> None:
    a = world.publish("a")
    world.operator.switch(a.version)
    world.operator.back()
    assert world.default() == DEMO.version
    assert f"{a.version}  previous default" in listed(world.operator)


def test_a_switch_during_an_upload_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = world.publish("a"), world.publish("b")
    world.operator.switch(a.version)
    world.operator.switch(b.version)
    put = published_objects.put

    def put_while_another_goes_back(*arguments: Any) -> Release:
        world.operator.back()
        return put(*arguments)

    monkeypatch.setattr(published_objects, "put", put_while_another_goes_back)
    c = world.publish("c")
    assert world.default() == a.version
    assert world.operator.rollout().releases == (a, b, c)


def test_publishing_again_sends_and_changes_nothing(world: World) -> None:
    a = world.publish("a")
    before = {each["Key"]: each["LastModified"] for each in world.s3.list_objects_v2(Bucket=world.bucket)["Contents"]}
    assert world.publish("a") == a
    assert world.operator.rollout().releases == (a,)
    assert sorted(before) == sorted(world.keys())


def test_an_alias_is_given_and_taken(world: World) -> None:
    a, b = world.publish("a"), world.publish("b")
    world.operator.name("stable", a.version)
    world.now_s += FRESH_S
    assert world.models.model("stable").version == a.version
    world.operator.name("stable", b.version)
    world.now_s += FRESH_S
    assert world.models.model("stable").version == b.version
    for alias in ("Stable", "default", "sd-turbo", "a@b", ""):
        with pytest.raises(InvalidRollout):
            world.operator.name(alias, a.version)


def remove(world: World, key: str) -> None:
    world.s3.delete_object(Bucket=world.bucket, Key=key)


def cut_off(world: World, key: str) -> None:
    world.s3.put_object(Bucket=world.bucket, Key=key, Body=b"x", ChecksumAlgorithm="SHA256")


def change(world: World, key: str) -> None:
    """Other bytes of the same number, as a damaged disk or a wrong hand would leave them."""
    size = world.s3.head_object(Bucket=world.bucket, Key=key)["ContentLength"]
    world.s3.put_object(Bucket=world.bucket, Key=key, Body=bytes(size), ChecksumAlgorithm="SHA256")


def store_without_digest(world: World, key: str) -> None:
    body = world.s3.get_object(Bucket=world.bucket, Key=key)["Body"].read()
    remove(world, key)
    world.s3.put_object(Bucket=world.bucket, Key=key, Body=body, ChecksumAlgorithm="CRC32")


@pytest.mark.parametrize("damage", [remove, cut_off, change])
@pytest.mark.parametrize("name", ["version.json", f"{ENGINE}/manifest.json", f"{ENGINE}/unet/openvino_model.bin"])
def test_a_damaged_version_is_refused_by_the_command_and_nothing_is_switched(
    world: World, damage: Callable[[World, str], None], name: str
) -> None:
    a, b = world.publish("a"), world.publish("b")
    world.operator.switch(a.version)
    damage(world, b.prefix + name)
    before = world.operator.rollout()
    operator = world.with_parameters()  # a later command, which has verified nothing yet
    with pytest.raises(ModelUnavailable):
        operator.switch(b.version)
    with pytest.raises(ModelUnavailable):
        operator.name("stable", b.version)
    assert world.operator.rollout() == before
    assert world.default() == a.version


def test_an_object_without_a_digest_of_all_its_bytes_is_refused(world: World) -> None:
    a = world.publish("a")
    store_without_digest(world, f"{a.prefix}{ENGINE}/unet/openvino_model.bin")
    with pytest.raises(ModelUnavailable, match="log"):
        world.with_parameters().switch(a.version)


def test_whoever_writes_the_parameter_by_hand_cannot_make_a_damaged_version_the_default(world: World) -> None:
    a, b = world.publish("a"), world.publish("b")
    world.operator.switch(a.version)
    assert world.default() == a.version
    remove(world, f"{b.prefix}{ENGINE}/unet/openvino_model.bin")
    rollout = world.operator.rollout().switched(b.version).dump()
    world.ssm.put_parameter(Name=f"/{STACK}/models", Value=rollout, Type="String", Overwrite=True)
    assert world.default() == a.version
    assert [refusal[:2] for refusal in world.refusals] == [("default", b.version)]


def test_weights_that_were_exchanged_after_the_switch_are_not_loaded(world: World) -> None:
    a = world.publish("a")
    world.operator.switch(a.version)
    assert world.default() == a.version
    change(world, f"{a.prefix}{ENGINE}/unet/openvino_model.bin")
    with pytest.raises(ModelUnavailable):
        world.store.folder(a)


@pytest.mark.parametrize("version", ["", "demo", "demo@ffffffffffff", "sd-turbo@b261bac6fd2c", f"demo@{'a' * 64}"])
def test_an_unknown_version_is_refused_with_those_on_offer(world: World, version: str) -> None:
    world.publish("a")
    with pytest.raises(Refused, match=DEMO.version):
        world.operator.switch(version)
    assert world.default() == DEMO.version


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"GeneratorMemory": "2048"}, "needs 4,500 MB at least; the functions have 2,048 MB"),
        ({"Engines": "torch"}, "was not published for torch"),
        ({"Engines": "torch", "PictureCheck": "on"}, "nothing here can judge"),
    ],
)
def test_a_version_that_the_functions_cannot_run_is_refused(
    world: World, parameters: dict[str, str], reason: str
) -> None:
    release = world.publish("a", "sd-turbo")
    more = {} if "judge" in reason else {"PictureCheck": "off"}
    with pytest.raises(ModelUnavailable) as caught:
        world.with_parameters(**more, **parameters).switch(release.version)
    assert reason in caught.value.private


def test_a_folder_that_does_not_verify_is_not_published(world: World) -> None:
    models_dir = world.prepare("a")
    (models_dir / "demo" / ENGINE / "unet" / "openvino_model.bin").write_bytes(b"other")
    with pytest.raises(ModelUnavailable):
        world.operator.publish("demo", models_dir)
    with pytest.raises(ModelUnavailable):
        world.operator.publish("sd-turbo", models_dir)  # was not prepared
    with pytest.raises(Refused, match="MODEL must be one of demo"):
        world.operator.publish("../demo", models_dir)
    assert world.keys() == []
    assert world.default() == DEMO.version


def test_a_version_that_a_name_means_is_not_retired(world: World) -> None:
    a, b, c = (world.publish(text) for text in "abc")
    world.operator.switch(a.version)
    world.operator.switch(b.version)
    world.operator.name("stable", a.version)
    for version in (a.version, b.version):
        with pytest.raises(Refused, match="default"):
            world.operator.retire(version)
    world.operator.retire(c.version)
    with pytest.raises(Refused, match="not on offer"):
        world.operator.retire(c.version)
    world.now_s += FRESH_S
    with pytest.raises(ModelNotFound):
        world.models.model(c.version)


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_a_prepared_folder_comes_out_of_the_bucket_as_it_went_in(world: World, engine: str) -> None:
    """What `make model` prepares, with the names that it gives to files."""
    operator = world.with_parameters(Engines=engine, PictureCheck="off")
    release = operator.publish("demo", models_dir())
    published = PublishedVersions(S3ModelObjects(world.bucket), engine, 10**9)
    folder = ModelStore(world.folders / "disk", published).folder(release)
    prepared = models_dir() / "demo" / engine
    manifest.verify(folder)
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == sorted(
        path.relative_to(prepared) for path in prepared.rglob("*")
    )
    assert manifest.flops(folder) == manifest.flops(prepared)
