"""Runs a plan: cache look-up, check of its picture, generation within the deadline, check of the result, storage. Every
request, job and direct invocation generates through it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from PIL.Image import Image
from ulid import ULID

from imagegen.access import tenant as tenants
from imagegen.deadline import Deadline
from imagegen.errors import GenerationTimeout, RequestTooExpensive
from imagegen.errors.moderation import Stage
from imagegen.generation.aws_calls import DIRECT_INVOCATION, AwsCalls
from imagegen.generation.checkpoint import Checkpoint
from imagegen.generation.edit import pixels_sha256
from imagegen.generation.image_file import CONTENT_TYPES, encode
from imagegen.generation.object_keys import Folder
from imagegen.generation.planner import Plan
from imagegen.generation.ports import (
    Credentials,
    Engines,
    Generated,
    ImageStore,
    OnStep,
    PictureChecks,
    Resident,
    StoredImage,
)
from imagegen.generation.presign import presign
from imagegen.generation.pricing import Pricing, Stored
from imagegen.generation.result import Cost, KeptImage, ModelLoad, Outcome, Result, Timings, WarmUp
from imagegen.generation.single_flight import SingleFlight
from imagegen.generation.spec import GenerationSpec
from imagegen.generation.speed_estimate import FINISHING_SECONDS, SpeedEstimate
from imagegen.generation.task import Task
from imagegen.generation.timed_engines import TimedEngines
from imagegen.provenance.manifest import Origin
from imagegen.retry import retry


@dataclass(frozen=True)
class Images:
    """Stored images and how they were produced."""

    stored: list[StoredImage]
    timings: Timings
    load: ModelLoad | None = None
    """Of a cold start."""
    cached: bool = False
    shared_by: int = 1
    spent: Timings = field(default_factory=Timings)
    """The compute time of earlier runs whose progress was used."""


def _ignore_step(_step: int, _of: int) -> None:
    """The OnStep of a generation without progress reports."""


class ImageService:
    """Generates images and stores them. One per process; thread-safe."""

    def __init__(
        self,
        *,
        engines: Engines,
        store: ImageStore,
        checks: PictureChecks,
        single_flight: SingleFlight,
        pricing: Pricing,
        embed_prompt: bool,
        estimate: SpeedEstimate,
        credentials: Credentials | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ):
        """Without `credentials`, files are not signed, and results say so."""
        self._engines = engines
        self._store = store
        self._checks = checks
        self._single_flight = single_flight
        self._pricing = pricing
        self._embed_prompt = embed_prompt
        self._credentials = credentials
        self._clock = clock
        self._estimate = estimate
        self._timed = TimedEngines(engines, estimate, clock)

    def generate(
        self,
        plan: Plan,
        *,
        tenant: str,
        deadline: Deadline,
        result_id: str | None = None,
        calls: AwsCalls = DIRECT_INVOCATION,
    ) -> Result:
        """Return the stored result of an identical request, or generate and store one. Its id is random unless given.

        Raises what `produce` raises.
        """
        outcome = self.produce(plan, tenant=tenant, deadline=deadline, calls=calls)
        now = datetime.now(UTC)
        return presign(
            outcome, self._store, request_id=result_id or str(ULID()), metadata=plan.request.metadata, now=now
        )

    def produce(
        self,
        plan: Plan,
        *,
        tenant: str,
        deadline: Deadline,
        on_step: OnStep = _ignore_step,
        checkpoint: Checkpoint | None = None,
        job_id: str | None = None,
        calls: AwsCalls = DIRECT_INVOCATION,
    ) -> Outcome:
        """Find or generate the images, and return them as stored.

        While another request generates the same images, this one waits and `on_step` gets (0, steps). With a
        `checkpoint` the generation resumes from there, and a deadline that ends it leaves one. `job_id` is for the
        audit record of a picture that is blocked. The receipt has the `calls` around the work.

        Raises ModerationBlocked, ModerationUnavailable, GenerationTimeout, GenerationFailed, ModelUnavailable,
        StorageUnavailable, ProvenanceUnavailable, or what `on_step` raises.
        Images may be stored then; the next identical request finds all of them or none.
        """
        started = self._clock()
        task = self._task(plan, tenant, deadline, on_step, checkpoint, job_id)
        if plan.request.cache == "use":
            images = self._look_up(task) or self._generate_once(task)
        else:
            images = (self._look_up(task) if plan.since else None) or self._generate(task)
        elapsed = self._clock() - started
        timings = images.timings.model_copy(update={"total_ms": _ms(elapsed)})
        return Outcome(
            model=plan.model.id,
            model_version=plan.model.version,
            images=[self._kept(stored, plan.spec, index) for index, stored in enumerate(images.stored)],
            cached=images.cached,
            cold_start=images.load is not None,
            timings=timings.plus(images.spent),
            cost=self._cost(task, images, elapsed, calls),
            warnings=_warnings(plan, images.stored),
            model_load=images.load,
        )

    def require_time(self, plan: Plan, *, tenant: str, deadline: Deadline) -> None:
        """Raise GenerationTimeout if a worker should generate the plan, because it should not fit the deadline here.

        `produce` rejects only what measurements exclude. This also uses an estimate from the model's manifest where
        nothing is measured yet, and must not be asked where no worker can take over. Stored images take no time. Raises
        StorageUnavailable.
        """
        try:
            deadline.require(self._estimate.expected_s(plan, self._engines.held_s(plan.model, plan.backend)))
        except GenerationTimeout:
            if plan.request.cache == "use" and self._look_up(self._task(plan, tenant, deadline)):
                return
            self._estimate.halve(plan)
            raise

    def require_paid(self, plan: Plan, *, tenant: str, paid: Deadline) -> None:
        """Raise RequestTooExpensive, before any work, if the plan takes longer than `paid` whatever the processor.

        Stored images cost nothing. Raises StorageUnavailable.
        """
        if paid.left() >= (least_s := self._estimate.least_s(plan)):
            return
        if plan.request.cache == "use" and self._look_up(self._task(plan, tenant, paid)):
            return
        self._estimate.halve(plan)
        raise RequestTooExpensive(
            f"The request takes at least {least_s:.1f} s, and one request may cost {max(0.0, paid.left()):.1f} s. Ask "
            "for fewer images (num_images_per_prompt), fewer steps (num_inference_steps) or a smaller size."
        )

    def warm(self, plan: Plan) -> WarmUp:
        """Load the plan's model and what judges its pictures, and run its steps: the next request of that size is warm.

        Raises ModelUnavailable or ModerationUnavailable.
        """
        backend = plan.backend
        if check := self._checks.of(plan.model, tenants.LOCAL):
            check.load()
        resident = self._engines.resident(plan.model, backend)
        load_s = resident.load_s
        if load_s > 0:
            started = self._clock()
            generated = resident.engine.generate(plan.spec, _ignore_step)
            load_s += self._clock() - started
            self._timed.record(plan, resident, generated)
        return WarmUp(
            model=plan.model.id,
            engine=backend.engine,
            device=backend.device,
            precision=backend.precision,
            reason=backend.reason,
            cold_start=resident.load_s > 0,
            load_ms=_ms(load_s),
            model_load=self._pricing.model_load(resident.cause, load_s) if resident.load_s > 0 else None,
        )

    def _cost(self, task: Task, images: Images, elapsed: float, calls: AwsCalls) -> Cost:
        if images.cached:
            return self._pricing.nothing()
        seconds = elapsed / images.shared_by + images.spent.total_ms / 1000
        return self._pricing.cost(seconds, calls, Stored.of(images.stored, remembered=task.answers_others))

    def _look_up(self, task: Task) -> Images | None:
        found = self._store.find(task.folder.entry)
        if found is None or len(found) != task.spec.num_images_per_prompt:
            return None
        if task.plan.since and any(image.stored_at < task.plan.since for image in found):
            return None
        return Images(found, Timings(), cached=True)

    def _generate_once(self, task: Task) -> Images:
        """Generate, or wait for another request that is generating the same images."""
        whole_s = task.deadline.left()

        def find() -> Images | None:
            task.on_step(0, task.spec.total_steps)
            task.deadline.require(FINISHING_SECONDS)
            return self._look_up(task)

        def waiting(waits: bool) -> None:
            """A leader that has less than half of its time left was kept from its work, as one that still waits."""
            if task.checkpoint is not None:
                task.checkpoint.waited = waits or task.deadline.left() < whole_s / 2

        folder = task.folder
        return self._single_flight.run(folder.tenant, folder.cache_key, lambda: self._generate(task), find, waiting)

    def _generate(self, task: Task) -> Images:
        """Generate and store. A picture is judged before a model is loaded for it, a result before it is a file.

        One blocked image blocks all of them: what the same prompt drew next to it is not worth a second look.
        """
        canvas = task.spec.canvas  # decoded here, because it may be damaged
        input_s = self._judge(task, "input", [canvas.image] if canvas is not None else [])
        resident, generated = self._timed.generate(task)
        output_s = self._judge(task, "output", generated.images)
        started = self._clock()
        stored = self._store_all(task, generated)
        timings = _timings(resident, generated, moderation_s=input_s + output_s, store_s=self._clock() - started)
        spent = task.checkpoint.spent if task.checkpoint is not None else Timings()
        load = self._load_of(resident, generated)
        return Images(stored, timings, load, shared_by=generated.shared_by, spent=spent)

    def _load_of(self, resident: Resident, generated: Generated) -> ModelLoad | None:
        """Return the load, with what an engine that loads in the background left to the generation; None if warm."""
        if resident.load_s == 0:
            return None
        waited_s = resident.load_s + generated.compile_s
        return self._pricing.model_load(resident.cause, waited_s, generated.shared_by)

    def _judge(self, task: Task, stage: Stage, pictures: Sequence[Image]) -> float:
        """Raise ModerationBlocked or ModerationUnavailable unless all pictures are allowed; return the seconds it took.

        Before anything is drawn, this loads what judges the result, so that nothing is drawn that has no verdict.
        """
        started = self._clock()
        if task.check is not None:
            task.check.load()
            task.check.require_allowed(stage, pictures)
        return self._clock() - started

    def _store_all(self, task: Task, generated: Generated) -> list[StoredImage]:
        """Store the images and, unless the cache is off, make them answer the next identical request."""
        stored = [self._store_one(task, generated, index) for index in range(len(generated.images))]
        if task.answers_others:
            entry, replace = task.folder.entry, task.plan.request.cache == "refresh"
            retry(lambda: self._store.remember(entry, stored, replace=replace), task.storing_s)
        return stored

    def _store_one(self, task: Task, generated: Generated, index: int) -> StoredImage:
        body = encode(generated.images[index], task.spec, index, embed_prompt=self._embed_prompt)
        pixels = pixels_sha256(generated.images[index])
        body = self._signed(body, task.spec)  # the last change, and once: each signature is another file
        key = task.folder.image(task.spec, index, hashlib.sha256(body).hexdigest())
        content_type = CONTENT_TYPES[task.spec.output_format]
        return retry(
            lambda: self._store.put(key, body, content_type, pixels_sha256=pixels, warnings=generated.warnings),
            task.storing_s,
        )

    def _signed(self, body: bytes, spec: GenerationSpec) -> bytes:
        if self._credentials is None:
            return body
        parent = spec.edit.image.data if spec.edit else None
        origin = Origin(spec.model_id, spec.revision, parent)
        return self._credentials.sign(body, CONTENT_TYPES[spec.output_format], origin)

    def _kept(self, stored: StoredImage, spec: GenerationSpec, index: int) -> KeptImage:
        width, height = spec.output_size
        return KeptImage(
            key=stored.key,
            seed=spec.seed_of(index),
            width=width,
            height=height,
            content_type=CONTENT_TYPES[spec.output_format],
            bytes=stored.bytes,
            sha256=stored.sha256,
            pixels_sha256=stored.pixels_sha256,
            content_credentials=self._credentials is not None,  # the cache key has the signer
            kept_until=stored.kept_until,
        )

    def _task(
        self,
        plan: Plan,
        tenant: str,
        deadline: Deadline,
        on_step: OnStep = _ignore_step,
        checkpoint: Checkpoint | None = None,
        job_id: str | None = None,
    ) -> Task:
        backend, check = plan.backend, self._checks.of(plan.model, tenant, job_id)
        signer = {} if self._credentials is None else {"signer": self._credentials.identity}
        judged = {} if check is None else {"allowed_by": check.rule}
        cache_key = plan.spec.cache_key(
            engine=backend.engine, precision=backend.precision, embed_prompt=self._embed_prompt, **signer, **judged
        )
        return Task(plan, Folder(tenant, cache_key), deadline, on_step, check, checkpoint)


def _timings(resident: Resident, generated: Generated, *, moderation_s: float, store_s: float) -> Timings:
    return Timings(
        load_ms=_ms(resident.load_s + generated.compile_s),
        encoder_load_ms=_ms(generated.encoder_load_s),
        text_encode_ms=_ms(generated.text_encode_s),
        image_encode_ms=_ms(generated.image_encode_s),
        denoise_ms=_ms(generated.denoise_s),
        decode_ms=_ms(generated.decode_s),
        background_ms=_ms(generated.background_s),
        upscale_ms=_ms(generated.upscale_s),
        moderation_ms=_ms(moderation_s),
        store_ms=_ms(store_s),
    )


def _warnings(plan: Plan, stored: list[StoredImage]) -> list[str]:
    warnings = sorted({warning for each in stored for warning in each.warnings})
    warnings += plan.spec.syntax_warnings()
    if plan.request.negative_prompt and not plan.spec.negative_prompt:
        warnings.append("negative_prompt_ignored: it needs a guidance_scale above 1 and a model that reads it")
    if plan.request.output_quality is not None and plan.spec.output_quality is None:
        warnings.append(f"output_quality_ignored: {plan.spec.output_format} is lossless")
    spec, edit = plan.spec, plan.spec.edit
    if edit is not None and edit.image.size != (spec.width, spec.height):
        sizes = "from {} x {} to {} x {} pixels".format(*edit.image.size, spec.width, spec.height)
        warnings.append(f"image_resized: {sizes} ({edit.resize_mode})")
    return warnings


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
