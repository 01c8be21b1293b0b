"""`imagegen upscale`."""

from __future__ import annotations

from imagegen_cli import options


def upscale(
    file: options.PictureArgument,
    factor: options.Factor = 2,
    out: options.Out = None,
    model: options.Model = None,
    output_format: options.OutputFormat = None,
    output_quality: options.OutputQuality = None,
    idempotency_key: options.IdempotencyKey = None,
    profile: options.ProfileName = None,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> None:
    """Enlarge a picture and download it. It is first resized to the model's nearest size, as an edit is."""
    from imagegen_cli.drawing import make_drawing
    from imagegen_cli.home import expanded
    from imagegen_cli.picture_file import look_at
    from imagegen_cli.session import chosen_profile
    from imagegen_cli.upscaling import REQUEST, upscale

    own = {"out": out, "model": model, "output_format": output_format, "output_quality": output_quality}
    drawing = make_drawing({**REQUEST, **own, "upscale": factor, "idempotency_key": idempotency_key})
    upscale(look_at(expanded(file)), drawing, chosen_profile(profile), timeout, as_json)
