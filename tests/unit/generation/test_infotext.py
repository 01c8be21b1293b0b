from __future__ import annotations

import re
from dataclasses import replace

from imagegen.catalog.registry import REGISTRY, SCHEDULERS
from imagegen.generation.edit import Edit
from imagegen.generation.infotext import SAMPLERS, infotext
from tests.support import plans
from tests.support.scenes import circle, picture

PARAMETER = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
"""How AUTOMATIC1111's web UI reads the last line."""


def test_the_text_is_the_one_that_web_uis_write() -> None:
    spec = plans.spec("a (red:1.3) circle", negative_prompt="blue", seed=7, scheduler="euler_ancestral")
    prompt, negative, parameters = infotext(spec, 2, embed_prompt=True).split("\n")
    assert (prompt, negative) == ("a (red:1.3) circle", "Negative prompt: blue")
    assert PARAMETER.findall(parameters) == [
        ("Steps", str(spec.num_inference_steps)),
        ("Sampler", "Euler a"),
        ("CFG scale", f"{spec.guidance_scale:g}"),
        ("Seed", "9"),
        ("Size", "128x128"),
        ("Model", "demo"),
        ("Revision", spec.revision),
    ]


def test_edits_and_enlarged_images_have_the_parameters_of_these_tools() -> None:
    edited = replace(plans.spec(upscale=2), edit=Edit(picture(circle()), 0.75, "crop"))
    assert PARAMETER.findall(infotext(edited, 0, embed_prompt=False))[4:] == [
        ("Size", "128x128"),
        ("Model", "demo"),
        ("Revision", edited.revision),
        ("Denoising strength", "0.75"),
        ("Postprocess upscale by", "2"),
        ("Postprocess upscaler", "R-ESRGAN AnimeVideo"),
    ]


def test_the_prompts_can_be_omitted() -> None:
    spec = plans.spec("canary", negative_prompt="canary", guidance_scale=2)
    text = infotext(spec, 0, embed_prompt=False)
    assert "canary" not in text
    assert text.startswith("Steps: ")


def test_every_scheduler_has_the_name_that_these_tools_know() -> None:
    assert set(SAMPLERS) == set(SCHEDULERS)


def test_no_value_of_a_model_needs_quotes() -> None:
    values = [value for model in REGISTRY.values() for value in (model.id, model.revision)]
    assert not [value for value in values if set(value) & set(',":\n')]
