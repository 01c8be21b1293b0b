"""`imagegen models`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_cli import options

if TYPE_CHECKING:
    from imagegen_cli.documents import ModelList


def models(
    profile: options.ProfileName = None, timeout: options.Timeout = None, as_json: options.AsJson = False
) -> None:
    """List the models and their limits."""
    from imagegen_cli.output import show
    from imagegen_cli.session import chosen_profile, session

    with session(chosen_profile(profile), as_json, timeout) as (client, _):
        answer = client.models()
    show(as_json, answer.raw, lambda: _table(answer.value))


def _table(listed: ModelList) -> str:
    from imagegen_cli.output import table

    columns = ("MODEL", "FAMILY", "ENGINE", "DEFAULT SIZE", "SIZES", "STEPS", "GUIDANCE", "IMAGES", "SCHEDULERS")
    rows = [
        (
            f"{model.id} (default)" if model.id == listed.default else model.id,
            model.family,
            model.engine,
            f"{model.defaults.width} x {model.defaults.height}",
            f"{model.limits.min_size} to {model.limits.max_size}",
            f"{model.defaults.num_inference_steps} (to {model.limits.max_steps})",
            f"{model.defaults.guidance_scale:g}",
            f"to {model.limits.max_images}",
            ", ".join(model.schedulers),
        )
        for model in listed.models
    ]
    return table(columns, rows)
