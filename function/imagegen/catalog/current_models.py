"""The models on offer now: those of the image and those of the rollout, which is read again while the process lives.

Covered: a rollout that cannot be read or parsed (the last one applies, or else the image's models); a version that does
not verify (the name keeps its version). Not covered: two functions that have read different rollouts, for up to
FRESH_S; a job therefore keeps its version.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Final

from imagegen.catalog.image_models import ImageModels, not_found
from imagegen.catalog.ports import OnOffer, RolloutLog, RolloutSource
from imagegen.catalog.published import PublishedVersions
from imagegen.catalog.registry import Model
from imagegen.catalog.rollout import InvalidRollout, Release, Rollout
from imagegen.errors import ModelNotFound, ModelUnavailable, ServiceError, StorageUnavailable

FRESH_S: Final = 60
"""Age at which the rollout is read again: how late a switch takes effect."""
PAUSE_S: Final = 30
"""Seconds without an attempt after one that failed: to read the rollout, or to verify a version."""
HANGS_S: Final = 3
"""An attempt to verify that failed after so many seconds has met a bucket that hangs. No other version is tried for
PAUSE_S then: a request has 28 s, and each attempt may take 15 s."""
DEFAULT: Final = "default"
"""How the log calls what a request gets that names no model."""


class CurrentModels:
    """Implements ports.Models. Thread-safe; while one thread reads or verifies, the others wait."""

    def __init__(
        self,
        image: ImageModels,
        source: RolloutSource,
        published: PublishedVersions,
        log: RolloutLog,
        clock: Callable[[], int],
    ):
        """`clock` returns epoch milliseconds."""
        self._image = image
        self._source = source
        self._published = published
        self._log = log
        self._clock = clock
        self._lock = threading.RLock()
        self._rollout = Rollout()
        self._read_at = self._failed_at = -math.inf
        self._meanings: dict[str, Model] = {}
        self._failures: dict[Release | None, tuple[float, ServiceError]] = {}
        """The last failure of each version, and as None the last one of a bucket that hung."""
        self._told: dict[tuple[str, str], float] = {}

    def model(self, name: str | None) -> Model:
        """Return the model that a request names. Raises what ports.Models.model raises."""
        with self._lock:
            self._refresh()
            try:
                return self._default() if name is None else self._named(name)
            except ModelNotFound:
                self._require_read()
                raise

    def of_job(self, version: str, name: str | None) -> Model:
        """Return the version that a job keeps. Raises what ports.Models.of_job raises."""
        with self._lock:
            if not version:
                return self._image.of_job(version, name)
            self._refresh()
            try:
                return self._version(version)
            except ModelNotFound:
                return self._of_job_unknown_here(version, name)

    def _of_job_unknown_here(self, version: str, name: str | None) -> Model:
        """Return the version of a job whose submission knew another rollout, or another image.

        During a deployment, the functions of two images exchange jobs in both directions.
        """
        if not self._read():
            raise _not_read()
        try:
            return self._version(version)
        except ModelNotFound:
            if self._published.is_stored(version):  # no longer on offer
                raise
            return self._image.of_job(version, name)

    def on_offer(self) -> OnOffer:
        """Return what can be asked for now; a published version that does not verify is left out."""
        with self._lock:
            self._refresh()
            found = {*self._image.by_version, *(each.version for each in self._rollout.releases)}
            versions = {version: model for version in sorted(found) if (model := self._usable(version))}
            names = {*self._image.by_id, *self._rollout.aliases, *(each.id for each in versions.values())}
            meanings = {name: model for name in sorted(names) if (model := self._usable(name))}
            ids = {model.id for model in versions.values()}
            return OnOffer(
                default=self._default(),
                versions=tuple(versions.values()),
                current={name: model for name, model in meanings.items() if name in ids},
                aliases={name: model for name, model in meanings.items() if name not in ids},
            )

    # -- names ---------------------------------------------------------------------------------------------------------

    def _usable(self, name: str) -> Model | None:
        try:
            return self._named(name)
        except ServiceError:
            return None

    def _named(self, name: str) -> Model:
        if "@" in name:
            return self._version(name)
        if version := self._rollout.aliases.get(name):
            return self._meaning(name, version, lambda: self._of_id(name))
        if model := self._of_id(name):
            return model
        raise self._not_found()

    def _of_id(self, name: str) -> Model | None:
        """Return the version of a model that no alias has: the default, if it is one of them, or that of the image."""
        default = self._default()
        return default if default.id == name else self._image.by_id.get(name)

    def _default(self) -> Model:
        """Return the rollout's default. If it cannot be used, the previous one, or else the image's.

        So all environments return the same, whatever they have used before.
        """
        for version in (self._rollout.default, self._rollout.previous):
            if not version:
                break
            try:
                return self._version(version)
            except ServiceError as error:
                self._tell(DEFAULT, version, error)
        return self._image.default

    def _meaning(self, name: str, version: str, otherwise: Callable[[], Model | None]) -> Model:
        """Return the version that a name means. If it cannot be used, the name keeps the last one that could.

        `otherwise` is for a name that has had none in this process. Raises what `_version` raises if that is None, too.
        """
        known = self._meanings.get(name)
        if known is None or known.version != version:
            try:
                known = self._meanings[name] = self._version(version)
            except ServiceError as error:
                self._tell(name, version, error)
                known = known or otherwise()
                if known is None:
                    raise
        return known

    def _tell(self, name: str, version: str, error: ServiceError) -> None:
        """Log what was refused, once in PAUSE_S: every request would do so."""
        if abs(self._now() - self._told.get((name, version), -math.inf)) >= PAUSE_S:
            self._told[name, version] = self._now()
            self._log.rollout_refused(name, version, error.private or error.detail)

    # -- versions ------------------------------------------------------------------------------------------------------

    def _version(self, version: str) -> Model:
        """Return exactly this version. Raises ModelNotFound, ModelUnavailable or StorageUnavailable."""
        if model := self._image.by_version.get(version):
            return model
        release = self._rollout.release(version)
        if release is None:
            raise self._not_found()
        return self._verified(release)

    def _verified(self, release: Release) -> Model:
        if not self._published.has_verified(release):
            self._require_pause_over(release)
        began = self._now()
        try:
            model = self._published.model(release)
        except (ModelUnavailable, StorageUnavailable) as error:
            failed_at = self._now()
            self._failures[release] = failed_at, error
            if isinstance(error, StorageUnavailable) and failed_at - began >= HANGS_S:
                self._failures[None] = failed_at, error
            raise
        self._failures.pop(release, None)
        return model

    def _require_pause_over(self, release: Release) -> None:
        for each in (release, None):
            failed_at, failure = self._failures.get(each, (-math.inf, None))
            if failure is not None and abs(self._now() - failed_at) < PAUSE_S:
                raise failure

    def _require_read(self) -> None:
        """Raise StorageUnavailable in an environment that has read no rollout: it cannot tell what is on offer."""
        if self._read_at == -math.inf:
            raise _not_read()

    def _not_found(self) -> ModelNotFound:
        releases = [each.version for each in self._rollout.releases]
        return not_found(list(dict.fromkeys([*self._image.by_id, *self._rollout.aliases, *releases])))

    # -- the rollout ---------------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        # Absolute, because a clock that was set back must not keep the rollout for longer.
        if abs(self._now() - self._read_at) >= FRESH_S and abs(self._now() - self._failed_at) >= PAUSE_S:
            self._read()

    def _read(self) -> bool:
        """Read the rollout and return whether that succeeded. Without one, only the image's models are on offer."""
        try:
            text = self._source.read()
            rollout = Rollout() if text is None else Rollout.parse(text)
        except (StorageUnavailable, InvalidRollout) as error:
            self._failed_at = self._now()
            self._log.rollout_refused("", "", error.private if isinstance(error, ServiceError) else error.reason)
            return False
        for release in rollout.releases:
            if release.version in rollout.meant - self._rollout.meant:
                self._published.forget(release)  # it may have been damaged since it was first on offer
        self._rollout, self._read_at = rollout, self._now()
        return True

    def _now(self) -> float:
        return self._clock() / 1000


def _not_read() -> StorageUnavailable:
    return StorageUnavailable(private="the rollout of models cannot be read")
