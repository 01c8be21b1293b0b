"""Turns what an engine's libraries raise while they generate into an error of the service, and checks the images."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from imagegen.engines.schedulers.config import UnsupportedSettingError
from imagegen.errors import GenerationFailed, GenerationInvalid, InvalidRequest, ServiceError
from imagegen.generation.ports import Engine, Generated, OnStep, Resumption
from imagegen.generation.spec import GenerationSpec
from imagegen.problem_details import FieldError

Finish: TypeAlias = Callable[[Generated, GenerationSpec, Callable[[], None]], Generated]
"""(what the engine made, what was asked for, what raises once it is no longer wanted)"""


class GuardedEngine:
    """An Engine in front of another one. Errors of the service, and whatever `on_step` raises, pass unchanged."""

    def __init__(self, engine: Engine, finish: Finish | None = None):
        """`finish` works on the images of the engine, once they are found to be pictures."""
        self.engine = engine
        self._finish = finish
        self.close = engine.close

    def generate(self, spec: GenerationSpec, on_step: OnStep, resumption: Resumption | None = None) -> Generated:
        """Generate the images of `spec`.

        Raises GenerationFailed if the engine cannot, GenerationInvalid if one of the images has a single color.
        """
        stopped: list[BaseException] = []

        def step(done: int, of: int) -> None:
            try:
                on_step(done, of)
            except BaseException as error:
                stopped.append(error)
                raise

        try:
            generated = _with_kept_pixels(_checked(self.engine.generate(spec, step, resumption), spec), spec)
            if self._finish is None:
                return generated
            return self._finish(generated, spec, lambda: step(spec.total_steps, spec.total_steps))
        except ServiceError:
            raise
        except UnsupportedSettingError as error:
            raise _impossible_strength(error, spec) from error
        except Exception as error:
            if error in stopped:
                raise
            raise GenerationFailed(private=_cause(error, spec)) from error


def _impossible_strength(error: UnsupportedSettingError, spec: GenerationSpec) -> ServiceError:
    """Preparation has tried every step count without a strength, so only a strength can make one impossible."""
    if spec.edit is None:
        return GenerationFailed(private=_cause(error, spec))
    message = f"must be higher with {spec.num_inference_steps} num_inference_steps and this model's {spec.scheduler}"
    return InvalidRequest([FieldError("strength", "out_of_range", message)])


def _checked(generated: Generated, spec: GenerationSpec) -> Generated:
    """Networks that overflow decode to one color. Even the smallest picture of one subject has two."""
    if spec.canvas is not None and spec.canvas.of_one_color:
        return generated
    for image in generated.images:
        if image.getcolors(maxcolors=1) is not None:  # None: more colors than that
            raise GenerationInvalid
    return generated


def _with_kept_pixels(generated: Generated, spec: GenerationSpec) -> Generated:
    """Restore what an edit's mask keeps, before the images are enlarged or lose their background."""
    if spec.canvas is None:
        return generated
    return replace(generated, images=[spec.canvas.keep(each) for each in generated.images])


def _cause(error: Exception, spec: GenerationSpec) -> str:
    """Return the exception's class and place, and the settings. Not its message, which may quote the prompt."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    settings = f"{spec.model_id}, {spec.scheduler}, {spec.width}x{spec.height}, {spec.num_inference_steps} steps"
    return f"{type(error).__name__} at {frame.filename}:{frame.lineno} ({settings})"
