"""Generations of one shape that come at the same time are drawn in one call: a GPU is quicker so, a CPU is not.

Covered: each caller keeps its own story, its lease, its deadline and its cancelling; one that gives up leaves the
others alone; where the common call fails, each is drawn by itself, so that one bad request cannot fail its neighbours.
Not covered: the same bytes as when drawn alone. Rounding differs in a batch; the first answer is what the cache keeps.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from imagegen.ports import BatchEngine, Engine, Generated, OnStep
from imagegen.request import Generation

WINDOW_S: Final = 0.2
"""How long the first of a batch waits for the others, which may have nothing to draw, or claim their jobs slowly."""
MOST_IMAGES: Final = 8
"""Of one call, and of one request: beyond, a model that fits with one image might not with a batch."""


class _Nobody(Exception):
    """Everyone has given up."""


@dataclass
class _Member:
    """One caller. `generated` and `error` are both None after `over` where the common call failed."""

    generation: Generation
    on_step: OnStep
    over: threading.Event = field(default_factory=threading.Event)
    generated: Generated | None = None
    error: BaseException | None = None

    def report(self, step: int, steps: int) -> None:
        count = self.generation.num_images_per_prompt
        try:
            self.on_step(step * count, steps * count)
        except BaseException as error:
            self.error = error
            self.over.set()


class Together:
    """Gathers the callers of a batch."""

    def __init__(self, window_s: float = WINDOW_S):
        self._window_s = window_s
        self._changed = threading.Condition()
        self._expected, self._arrived = 1, 0
        self._open: dict[Hashable, list[_Member]] = {}

    @contextmanager
    def expecting(self, callers: int) -> Iterator[None]:
        """While the block runs, up to so many threads may generate. By default it is one, who waits for nobody."""
        self._expected, self._arrived = callers, 0
        try:
            yield
        finally:
            self._expected = 1

    def engine(self, engine: BatchEngine) -> Engine:
        return _GatheringEngine(engine, self)

    def join(self, member: _Member) -> list[_Member] | None:
        """The whole batch for its first member, who draws it; None for the others."""
        shape = member.generation.shape
        with self._changed:
            self._arrived += 1
            self._changed.notify_all()
            batch = self._open.get(shape)
            if batch is not None and _images(batch) + member.generation.num_images_per_prompt <= MOST_IMAGES:
                batch.append(member)
                return None
            self._open[shape] = mine = [member]
            self._changed.wait_for(lambda: self._arrived >= self._expected, self._window_s)
            if self._open.get(shape) is mine:
                del self._open[shape]
            return mine


class _GatheringEngine:
    """An Engine around one that draws batches."""

    def __init__(self, engine: BatchEngine, together: Together):
        self._engine = engine
        self._together = together
        self.close = engine.close

    def generate(self, generation: Generation, on_step: OnStep) -> Generated:
        member = _Member(generation, on_step)
        batch = self._together.join(member)
        if batch is not None and len(batch) > 1:
            self._draw(batch)
        if batch is None or len(batch) > 1:
            member.over.wait()
        if member.error is not None:
            raise member.error
        return member.generated or self._engine.generate(generation, on_step)

    def _draw(self, batch: list[_Member]) -> None:
        def on_step(step: int, steps: int) -> None:
            left = [member for member in batch if member.error is None]
            for member in left:
                member.report(step, steps)
            if all(member.error is not None for member in left):
                raise _Nobody

        try:
            with suppress(Exception):  # nobody drew then, so each draws alone and meets its own error
                drawn = self._engine.generate_together([member.generation for member in batch], on_step)
                for member, generated in zip(batch, drawn, strict=True):
                    member.generated = generated
        finally:
            for member in batch:
                member.over.set()


def _images(batch: list[_Member]) -> int:
    return sum(member.generation.num_images_per_prompt for member in batch)
