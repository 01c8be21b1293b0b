"""Versions of models in a deployment: publish one, make it the default, and go back (`make model-versions` and others).

Nothing that callers get changes before the last step of a switch, and a switch begins with the verification of every
object: its size, and the SHA-256 that S3 computed from its bytes when it was stored.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from imagegen.aws.model_objects import S3ModelObjects
from imagegen.catalog.published import PublishedVersions
from imagegen.catalog.registry import REGISTRY, Model
from imagegen.catalog.rollout import InvalidRollout, Release, Rollout
from imagegen.errors import ModelUnavailable, ServiceError
from imagegen.settings import DISK_RESERVE_MB
from tools.deploy import published_objects, stack

MODELS: Final = Path(".local/models")


class Refused(Exception):
    """What the operator asked for would break the deployment, or cannot be done. The message says why."""


class ModelVersions:
    """The versions of one stack's models, and its rollout."""

    def __init__(self, stack_name: str, parameters: dict[str, str], bucket: str, s3: Any, ssm: Any):
        """`parameters` are the stack's."""
        self._parameter = f"/{stack_name}/models"
        self.parameters = parameters
        self._bucket = bucket
        self._s3 = s3
        self.ssm = ssm
        self.image = REGISTRY[parameters["Model"]]

    @cached_property
    def engine(self) -> str:
        """The engine that the stack's functions run."""
        return "openvino" if "openvino" in self.parameters["Engines"].split(",") else "torch"

    @property
    def switchable(self) -> bool:
        """Whether the functions read the rollout."""
        return self.parameters.get("ModelRollout") == "true"

    def rollout(self) -> Rollout:
        """Return the rollout as stored. Raises botocore's errors and InvalidRollout."""
        try:
            return Rollout.parse(self.ssm.get_parameter(Name=self._parameter)["Parameter"]["Value"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "ParameterNotFound":
                return Rollout()
            raise

    def default(self, rollout: Rollout) -> str:
        """Return the version that a request gets that names no model."""
        return rollout.default or self.image.version

    def publish(self, model_id: str, models_dir: Path) -> Release:
        """Store a prepared folder as a version, verify it, and offer it. The default stays.

        Raises Refused, ModelUnavailable, InvalidRollout, OSError and errors of AWS.
        """
        if model_id not in REGISTRY:
            raise Refused(f"MODEL must be one of {', '.join(REGISTRY)}: the version is served with that entry")
        self.rollout()  # an unreadable one is refused before gigabytes are uploaded
        folder = models_dir / model_id / self.engine
        release = published_objects.put(self._s3, self._bucket, REGISTRY[model_id], self.engine, folder)
        self.verify(release.version, Rollout().offering(release))
        self.store(self.rollout().offering(release))  # read again: somebody may have switched meanwhile
        return release

    def switch(self, version: str) -> Rollout:
        """Make a version the default, once every one of its objects has been verified, and return the rollout.

        Raises Refused, ModelUnavailable and errors of AWS.
        """
        rollout = self.rollout()
        self.verify(version, rollout)
        return self.store(rollout.switched("" if version == self.image.version else version))

    def back(self) -> Rollout:
        """Make the previous default the default, as `switch` does. Doing it twice changes nothing."""
        rollout = self.rollout()
        return self.switch(rollout.previous or self.image.version)

    def name(self, alias: str, version: str) -> Rollout:
        """Give a version another name, once it has been verified. Raises what `switch` raises."""
        rollout = self.rollout()
        self.verify(version, rollout)
        return self.store(replace(rollout, aliases={**rollout.aliases, alias: version}))

    def retire(self, version: str) -> Rollout:
        """Offer a version no longer. Its objects stay. Raises Refused if a name means it."""
        rollout = self.rollout()
        names = {"the default": rollout.default, "the previous default": rollout.previous, **rollout.aliases}
        if meant := [name for name, target in names.items() if target == version]:
            raise Refused(f"{version} is {' and '.join(meant)}")
        if rollout.release(version) is None:
            raise Refused(f"{version} is not on offer")
        return self.store(
            replace(rollout, releases=tuple(each for each in rollout.releases if each.version != version))
        )

    def verify(self, version: str, rollout: Rollout) -> None:
        """Raise Refused or ModelUnavailable unless this deployment can run the version and all objects verify."""
        if version == self.image.version:
            return
        release = rollout.release(version)
        if release is None:
            offered = ", ".join([self.image.version, *(each.version for each in rollout.releases)])
            raise Refused(f"{version} is not on offer; there is {offered}")
        files = self._published.files(release)
        published_objects.verify(self._s3, self._bucket, release, self.engine, files)

    @cached_property
    def _published(self) -> PublishedVersions:
        largest = (int(self.parameters["EphemeralStorage"]) - DISK_RESERVE_MB) * 1024**2
        return PublishedVersions(S3ModelObjects(self._bucket, self._s3), self.engine, largest, self._refusal)

    def _refusal(self, model: Model) -> str:
        """Return why the functions cannot run a model, as they would themselves; empty if they can."""
        parameters, memory = self.parameters, int(self.parameters["GeneratorMemory"])
        if model.memory_mb.half > memory:
            return f"needs {model.memory_mb.half:,} MB at least; the functions have {memory:,} MB"
        judges = "openvino" if parameters["PictureChecker"] == "networks" else "torch"
        judged = parameters["Moderation"] == "true" and parameters["PictureCheck"] != "off"
        if judged and judges not in parameters["Engines"].split(","):
            return f"has pictures that nothing here can judge: Engines has no {judges}"
        return ""

    def store(self, rollout: Rollout) -> Rollout:
        """Store a rollout as it is, and return it. Verifies nothing. Raises InvalidRollout."""
        Rollout.parse(text := rollout.dump())
        self.ssm.put_parameter(Name=self._parameter, Value=text, Type="String", Overwrite=True)
        return rollout


def listed(versions: ModelVersions) -> str:
    """Return a line for each version on offer, with what it is."""
    rollout = versions.rollout()
    default = versions.default(rollout)
    lines = []
    for version in [versions.image.version, *(each.version for each in rollout.releases)]:
        names = [alias for alias, target in rollout.aliases.items() if target == version]
        notes = [
            *(["default"] if version == default else []),
            *(["previous default"] if version == (rollout.previous or versions.image.version) != default else []),
            *(["in the image"] if version == versions.image.version else []),
            *names,
        ]
        lines.append(f"{version}  {', '.join(notes)}".rstrip())
    return "\n".join(lines)


def _run(versions: ModelVersions, action: str, argument: str, models_dir: Path) -> str:
    if action == "publish":
        release = versions.publish(argument, models_dir)
        version = release.version
        return f"Within a minute, {version} is on offer. To make it the default: make model-default VERSION={version}"
    actions: dict[str, Callable[[], Rollout]] = {
        "default": lambda: versions.switch(argument),
        "back": versions.back,
        "alias": lambda: versions.name(*argument.split("=", 1)),
        "retire": lambda: versions.retire(argument),
    }
    if action in actions:
        actions[action]()
    return listed(versions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack_name")
    parser.add_argument("action", choices=["list", "publish", "default", "back", "alias", "retire"])
    parser.add_argument("argument", nargs="?", default="", help="a model's id to publish, a version, or alias=version")
    parser.add_argument("--models-dir", type=Path, default=MODELS, help="of prepared models (default: %(default)s)")
    given = parser.parse_args()
    if not given.argument and given.action not in ("list", "back"):
        parser.error(f"{given.action} needs an argument")
    if given.action == "alias" and "=" not in given.argument:
        parser.error("an alias is alias=version")
    try:
        versions = _versions(given.stack_name)
        print(_run(versions, given.action, given.argument, given.models_dir))
        if not versions.switchable:
            print("The functions do not read this: deploy with the parameter ModelRollout=true.", file=sys.stderr)
    except ModelUnavailable as error:
        sys.exit(f"{given.stack_name}: {error.private}. Nothing was switched.")
    except (BotoCoreError, ClientError, ServiceError, InvalidRollout, Refused, OSError, KeyError) as error:
        sys.exit(f"{given.stack_name}: {error}. Nothing was switched.")


def _versions(stack_name: str) -> ModelVersions:
    cloudformation = boto3.client("cloudformation")
    parameters = stack.parameters(cloudformation, stack_name)
    if parameters is None:
        raise Refused("there is no such stack")
    bucket = stack.outputs(cloudformation, stack_name)["BucketName"]
    return ModelVersions(stack_name, parameters, bucket, boto3.client("s3"), boto3.client("ssm"))


if __name__ == "__main__":
    main()
