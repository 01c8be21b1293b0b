"""The story of a request: check, look up, generate, store, sign. Every way to run the product calls this."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ulid import ULID

from imagegen.deadline import FINISHING_SECONDS, STORING_SECONDS, Deadline, Measured, Pace
from imagegen.errors import GenerationTimeout
from imagegen.leader import Leader
from imagegen.picture import CONTENT_TYPES, encode
from imagegen.ports import Backend, Engines, Generated, ImageStore, OnStep, StoredImage
from imagegen.registry import Model
from imagegen.request import GenerateRequest, Generation, draw_seed, find, resolve
from imagegen.result import Cost, KeptImage, Outcome, Result, Timings, WarmUp
from imagegen.signing import signed


@dataclass(frozen=True)
class Receipts:
    """What a second of this function costs."""

    memory_mb: int
    usd_per_gb_second: float

    def of(self, seconds: float) -> Cost:
        return Cost.of(seconds, self.memory_mb, self.usd_per_gb_second)


@dataclass(frozen=True)
class Made:
    """Stored images and how they came to be."""

    stored: list[StoredImage]
    timings: Timings
    cold_start: bool = False
    cached: bool = False
    shared_by: int = 1


@dataclass(frozen=True)
class Work:
    """One generation, with all it needs on its way."""

    generation: Generation
    model: Model
    backend: Backend
    keys: list[str]
    deadline: Deadline
    on_step: OnStep


def _keep_going(_step: int, _of: int) -> None:
    """The OnStep of a generation that nobody watches."""


class ImageService:
    """Generates images and keeps them in the store. One per process; safe to call from several threads."""

    def __init__(
        self,
        *,
        models: Mapping[str, Model],
        default_model_id: str,
        engines: Engines,
        store: ImageStore,
        leader: Leader,
        receipts: Receipts,
        embed_prompt: bool,
        clock: Callable[[], float] = time.perf_counter,
    ):
        self._models = models
        self._default_model_id = default_model_id
        self._engines = engines
        self._store = store
        self._leader = leader
        self._receipts = receipts
        self._embed_prompt = embed_prompt
        self._clock = clock
        self._pace = Pace()

    def generate(self, request: GenerateRequest, *, tenant: str, deadline: Deadline) -> Result:
        """Answer from the store where the very same generation lies there, else generate and store.

        Raises what `produce` raises.
        """
        outcome = self.produce(request, tenant=tenant, deadline=deadline)
        now = datetime.now(UTC)
        return signed(outcome, self._store, request_id=str(ULID()), metadata=request.metadata, now=now)

    def produce(
        self, request: GenerateRequest, *, tenant: str, deadline: Deadline, on_step: OnStep = _keep_going
    ) -> Outcome:
        """The images in the store. While another request draws the very same ones, (0, steps) is reported and awaited.

        Raises ModelNotFound, InvalidRequest, GenerationTimeout, ModelUnavailable, StorageUnavailable, or what `on_step`
        raises; nothing is stored then, or images that a repeated request will find.
        """
        started = self._clock()
        model = find(self._models, request.model, self._default_model_id)
        seed = draw_seed() if request.seed is None else request.seed
        generation = resolve(request, model, seed)
        backend = self._engines.backend_for(generation.scheduler)
        cache_key = generation.cache_key(
            engine=backend.engine, precision=backend.precision, embed_prompt=self._embed_prompt
        )
        keys = _keys(tenant, cache_key, generation)
        work = Work(generation, model, backend, keys, deadline, on_step)
        if request.cache == "use" and request.seed is not None:
            made = self._look_up(keys) or self._make_once(work, tenant, cache_key)
        else:
            made = self._make(work, overwrite=request.cache == "refresh")
        warnings = sorted({warning for stored in made.stored for warning in stored.warnings})
        if request.negative_prompt and not generation.negative_prompt:
            warnings.append("negative_prompt_ignored: it needs a guidance_scale above 1 and a model that reads it")
        elapsed = self._clock() - started
        return Outcome(
            model=model.id,
            images=[_kept(stored, generation, index) for index, stored in enumerate(made.stored)],
            cached=made.cached,
            cold_start=made.cold_start,
            timings=made.timings.model_copy(update={"total_ms": _ms(elapsed)}),
            cost=self._receipts.of(elapsed / made.shared_by),
            warnings=warnings,
        )

    def warm(self, model_id: str | None = None) -> WarmUp:
        """Load the model and draw one step of its default size, so that the next request need not wait.

        Raises ModelNotFound or ModelUnavailable.
        """
        model = find(self._models, model_id, self._default_model_id)
        backend = self._engines.backend_for(model.defaults.scheduler)
        resident = self._engines.resident(model, backend)
        load_s = resident.load_s
        if load_s > 0:
            generation = resolve(GenerateRequest(prompt="warm-up", num_inference_steps=1), model, seed=0)
            started = self._clock()
            resident.engine.generate(generation, _keep_going)
            load_s += self._clock() - started
        return WarmUp(
            model=model.id,
            engine=backend.engine,
            device=backend.device,
            precision=backend.precision,
            reason=backend.reason,
            cold_start=resident.load_s > 0,
            load_ms=_ms(load_s),
        )

    def _look_up(self, keys: list[str]) -> Made | None:
        stored = []
        for key in keys:
            found = self._store.find(key)
            if found is None:
                return None
            stored.append(found)
        return Made(stored, Timings(), cached=True)

    def _make_once(self, work: Work, tenant: str, cache_key: str) -> Made:
        """Generate, or wait for whoever generates the same now and take what they stored."""

        def made_by_other() -> Made | None:
            work.on_step(0, work.generation.num_inference_steps * work.generation.num_images_per_prompt)
            work.deadline.require(FINISHING_SECONDS)
            return self._look_up(work.keys)

        return self._leader.once(tenant, cache_key, lambda: self._make(work, overwrite=False), made_by_other)

    def _make(self, work: Work, *, overwrite: bool) -> Made:
        generation = work.generation
        self._require_time(work)
        resident = self._engines.resident(work.model, work.backend)
        generated = self._generate_in_time(work, resident.engine.generate)
        if resident.load_s > 0:
            self._pace.record_load(work.model.id, resident.load_s + generated.compile_s)
        storing = self._clock()
        stored = [
            self._store.put(
                key,
                encode(image, generation, index, embed_prompt=self._embed_prompt),
                CONTENT_TYPES[generation.output_format],
                warnings=generated.warnings,
                overwrite=overwrite,
            )
            for index, (key, image) in enumerate(zip(work.keys, generated.images, strict=True))
        ]
        store_s = self._clock() - storing
        self._record_pace(generation, generated)
        timings = Timings(
            load_ms=_ms(resident.load_s + generated.compile_s),
            text_encode_ms=_ms(generated.text_encode_s),
            denoise_ms=_ms(generated.denoise_s),
            decode_ms=_ms(generated.decode_s),
            store_ms=_ms(store_s),
        )
        return Made(stored, timings, cold_start=resident.load_s > 0, shared_by=generated.shared_by)

    def _require_time(self, work: Work) -> None:
        """Refuse what cannot fit: loading, where that is needed, and steps."""
        generation, pace = work.generation, self._pace.of(work.generation)
        load_s = 0.0 if self._engines.holds(work.model, work.backend) else self._pace.of_load(work.model.id)
        image_s = generation.num_inference_steps * pace.step_s + pace.finish_s
        try:
            work.deadline.require(load_s + generation.num_images_per_prompt * image_s)
        except GenerationTimeout:
            self._pace.doubt(generation)
            raise

    def _generate_in_time(self, work: Work, generate: Callable[[Generation, OnStep], Generated]) -> Generated:
        """Stop between two steps what turns out not to fit."""
        self._require_time(work)  # loading may have taken long
        generation, deadline = work.generation, work.deadline
        pace, count = self._pace.of(generation), generation.num_images_per_prompt
        last = self._clock()

        def on_step(step: int, of: int) -> None:
            nonlocal last
            now = self._clock()
            step_s, last = now - last, now
            work.on_step(step, of)
            deadline.require(count * pace.finish_s + (step_s if step < of else 0))

        return generate(generation, on_step)

    def _record_pace(self, generation: Generation, generated: Generated) -> None:
        count = generation.num_images_per_prompt
        self._pace.record(
            generation,
            Measured(
                step_s=generated.denoise_s / (count * generation.num_inference_steps),
                finish_s=generated.decode_s / count + STORING_SECONDS,
            ),
        )


def _keys(tenant: str, cache_key: str, generation: Generation) -> list[str]:
    count, extension = generation.num_images_per_prompt, generation.output_format
    return [f"images/{tenant}/{cache_key}/{index}.{extension}" for index in range(count)]


def _kept(stored: StoredImage, generation: Generation, index: int) -> KeptImage:
    return KeptImage(
        key=stored.key,
        seed=generation.seed_of(index),
        width=generation.width,
        height=generation.height,
        content_type=CONTENT_TYPES[generation.output_format],
        bytes=stored.bytes,
        sha256=stored.sha256,
        kept_until=stored.kept_until,
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
