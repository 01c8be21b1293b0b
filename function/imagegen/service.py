"""The story of a request: check, look up, generate, store, sign. Every way to run the product calls this."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ulid import ULID

from imagegen.deadline import FINISHING_SECONDS, STORING_SECONDS, Deadline, Measured, Pace
from imagegen.errors import GenerationTimeout, ModelNotFound
from imagegen.picture import CONTENT_TYPES, encode
from imagegen.ports import Backend, Engines, Generated, ImageStore, OnStep, StoredImage
from imagegen.registry import Model
from imagegen.request import MAX_SEED, GenerateRequest, Generation, resolve
from imagegen.result import Cost, ImageResult, Result, Timings, WarmUp


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


class ImageService:
    """Generates images and keeps them in the store. One per process; safe to call from several threads."""

    def __init__(
        self,
        *,
        models: Mapping[str, Model],
        default_model_id: str,
        engines: Engines,
        store: ImageStore,
        receipts: Receipts,
        embed_prompt: bool,
        clock: Callable[[], float] = time.perf_counter,
    ):
        self._models = models
        self._default_model_id = default_model_id
        self._engines = engines
        self._store = store
        self._receipts = receipts
        self._embed_prompt = embed_prompt
        self._clock = clock
        self._pace = Pace()

    def generate(self, request: GenerateRequest, *, tenant: str, deadline: Deadline) -> Result:
        """Answer from the store where the very same generation lies there, else generate and store.

        Raises ModelNotFound, InvalidRequest, GenerationTimeout, ModelUnavailable or StorageUnavailable; nothing is
        stored then, or images that a repeated request will find.
        """
        started = self._clock()
        model = self._model(request.model)
        seed = secrets.randbelow(MAX_SEED + 1) if request.seed is None else request.seed
        generation = resolve(request, model, seed)
        backend = self._engines.backend_for(generation.scheduler)
        keys = self._keys(generation, tenant, backend)
        made = None
        if request.cache == "use" and request.seed is not None:
            made = self._look_up(keys)
        if made is None:
            made = self._make(generation, model, backend, keys, deadline, overwrite=request.cache == "refresh")
        images = [self._describe(stored, generation, index) for index, stored in enumerate(made.stored)]
        warnings = sorted({warning for stored in made.stored for warning in stored.warnings})
        if request.negative_prompt and not generation.negative_prompt:
            warnings.append("negative_prompt_ignored: it needs a guidance_scale above 1 and a model that reads it")
        elapsed = self._clock() - started
        return Result(
            id=str(ULID()),
            model=model.id,
            image_url=images[0].url,
            images=images,
            cached=made.cached,
            cold_start=made.cold_start,
            timings=made.timings.model_copy(update={"total_ms": _ms(elapsed)}),
            cost=self._receipts.of(elapsed),
            warnings=warnings,
            metadata=request.metadata,
        )

    def warm(self, model_id: str | None = None) -> WarmUp:
        """Load the model and draw one step of its default size, so that the next request need not wait.

        Raises ModelNotFound or ModelUnavailable.
        """
        model = self._model(model_id)
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

    def _model(self, model_id: str | None) -> Model:
        model = self._models.get(self._default_model_id if model_id is None else model_id)
        if model is None:
            raise ModelNotFound(f"model must be one of {', '.join(self._models)}.")
        return model

    def _keys(self, generation: Generation, tenant: str, backend: Backend) -> list[str]:
        cache_key = generation.cache_key(
            engine=backend.engine, precision=backend.precision, embed_prompt=self._embed_prompt
        )
        count, extension = generation.num_images_per_prompt, generation.output_format
        return [f"images/{tenant}/{cache_key}/{index}.{extension}" for index in range(count)]

    def _look_up(self, keys: list[str]) -> Made | None:
        stored = []
        for key in keys:
            found = self._store.find(key)
            if found is None:
                return None
            stored.append(found)
        return Made(stored, Timings(), cached=True)

    def _make(
        self,
        generation: Generation,
        model: Model,
        backend: Backend,
        keys: list[str],
        deadline: Deadline,
        *,
        overwrite: bool,
    ) -> Made:
        deadline.require(FINISHING_SECONDS)
        resident = self._engines.resident(model, backend)
        generated = self._generate_in_time(generation, resident.engine.generate, deadline)
        storing = self._clock()
        stored = [
            self._store.put(
                key,
                encode(image, generation, index, embed_prompt=self._embed_prompt),
                CONTENT_TYPES[generation.output_format],
                warnings=generated.warnings,
                overwrite=overwrite,
            )
            for index, (key, image) in enumerate(zip(keys, generated.images, strict=True))
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
        return Made(stored, timings, cold_start=resident.load_s > 0)

    def _generate_in_time(
        self, generation: Generation, generate: Callable[[Generation, OnStep], Generated], deadline: Deadline
    ) -> Generated:
        """Refuse what cannot fit, and stop between two steps what turns out not to."""
        pace, count = self._pace.of(generation), generation.num_images_per_prompt
        try:
            deadline.require(count * (generation.num_inference_steps * pace.step_s + pace.finish_s))
        except GenerationTimeout:
            self._pace.doubt(generation)
            raise
        last = self._clock()

        def on_step(step: int, of: int) -> None:
            nonlocal last
            now = self._clock()
            step_s, last = now - last, now
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

    def _describe(self, stored: StoredImage, generation: Generation, index: int) -> ImageResult:
        signed = self._store.sign(stored.key)
        return ImageResult(
            url=signed.url,
            seed=generation.seed_of(index),
            width=generation.width,
            height=generation.height,
            content_type=CONTENT_TYPES[generation.output_format],
            bytes=stored.bytes,
            sha256=stored.sha256,
            expires_at=signed.expires_at,
        )


def _keep_going(_step: int, _of: int) -> None:
    """The OnStep of a generation that nobody waits for."""


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
