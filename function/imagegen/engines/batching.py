"""Runs concurrent generations of the same shape in one call. Faster on a GPU, not on a CPU.

Covered: each caller keeps its own lease, deadline and cancellation; a caller that stops does not affect the others; if
the batch fails, each generation runs alone, so that one bad request cannot fail the others. Not covered: the same bytes
as without a batch. Rounding differs in a batch; the first result is what the cache keeps. Nor does a batch leave a
checkpoint: it takes seconds. A job that has one runs alone, and so does an edit.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Final

from imagegen.engines.ports import BatchEngine
from imagegen.generation.ports import Engine, Generated, OnStep, Resumption
from imagegen.generation.spec import GenerationSpec

WINDOW_S: Final = 0.2
"""How long the first caller of a batch waits for the others, which may find their images cached or claim slowly."""
MAX_IMAGES: Final = 8
"""Images per call, as in the largest request: the memory for more has not been measured."""


class _AllStopped(Exception):
    """Every caller of the batch has stopped."""


@dataclass
class _Member:
    """One caller of a batch. If the batch failed, `generated` and `error` are both None after `done`."""

    spec: GenerationSpec
    on_step: OnStep
    done: threading.Event = field(default_factory=threading.Event)
    generated: Generated | None = None
    error: BaseException | None = None
    context: Context = field(default_factory=copy_context)
    """The caller's, because another one may report its steps: log lines then name this caller's job."""

    def report(self, step: int, steps: int) -> None:
        count = self.spec.num_images_per_prompt
        try:
            self.context.run(self.on_step, step * count, steps * count)
        except BaseException as error:
            self.error = error
            self.done.set()


class Batcher:
    """Groups concurrent callers into batches. Thread-safe."""

    def __init__(self, window_s: float = WINDOW_S):
        self._window_s = window_s
        self._changed = threading.Condition()
        self._expected, self._arrived = 1, 0
        self._open: dict[Hashable, list[_Member]] = {}

    @contextmanager
    def expect(self, callers: int) -> Iterator[None]:
        """Expect up to `callers` concurrent calls within the block. Outside the block no caller waits."""
        self._expected, self._arrived = callers, 0
        try:
            yield
        finally:
            self._expected = 1

    def wrap(self, engine: BatchEngine) -> Engine:
        """Return an engine that batches concurrent calls to `engine`."""
        return _BatchingEngine(engine, self)

    def leave(self) -> None:
        """Count a caller that runs alone, so that no batch waits for it."""
        with self._changed:
            self._arrived += 1
            self._changed.notify_all()

    def join(self, member: _Member) -> list[_Member] | None:
        """Return the whole batch to its first member, which runs it; None to the others."""
        shape = member.spec.shape
        with self._changed:
            self._arrived += 1
            self._changed.notify_all()
            batch = self._open.get(shape)
            if batch is not None and _images(batch) + member.spec.num_images_per_prompt <= MAX_IMAGES:
                batch.append(member)
                return None
            self._open[shape] = own = [member]
            self._changed.wait_for(lambda: self._arrived >= self._expected, self._window_s)
            if self._open.get(shape) is own:
                del self._open[shape]
            return own


class _BatchingEngine:
    """An Engine in front of a BatchEngine."""

    def __init__(self, engine: BatchEngine, batcher: Batcher):
        self._engine = engine
        self._batcher = batcher
        self.close = engine.close

    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        if spec.edit is not None or (resumption is not None and resumption.snapshot.begun):
            self._batcher.leave()
            return self._engine.generate(spec, on_step, resumption)
        member = _Member(spec, on_step)
        batch = self._batcher.join(member)
        if batch is not None and len(batch) > 1:
            self._run(batch)
        if batch is None or len(batch) > 1:
            member.done.wait()
        if member.error is not None:
            raise member.error
        return member.generated or self._engine.generate(spec, on_step, resumption)

    def _run(self, batch: list[_Member]) -> None:
        def on_step(step: int, steps: int) -> None:
            running = [member for member in batch if member.error is None]
            for member in running:
                member.report(step, steps)
            if all(member.error is not None for member in running):
                raise _AllStopped

        try:
            with suppress(Exception):  # each member then generates alone and gets its own error
                results = self._engine.generate_batch([member.spec for member in batch], on_step)
                for member, generated in zip(batch, results, strict=True):
                    member.generated = generated
        finally:
            for member in batch:
                member.done.set()


def _images(batch: list[_Member]) -> int:
    return sum(member.spec.num_images_per_prompt for member in batch)
