"""`imagegen generate`."""

from __future__ import annotations

from imagegen_cli import options


def generate(
    prompt: options.Prompt,
    out: options.Out = None,
    negative_prompt: options.NegativePrompt = None,
    model: options.Model = None,
    width: options.Width = None,
    height: options.Height = None,
    num_inference_steps: options.Steps = None,
    guidance_scale: options.GuidanceScale = None,
    num_images_per_prompt: options.Images = None,
    seed: options.Seed = None,
    scheduler: options.Scheduler = None,
    output_format: options.OutputFormat = None,
    output_quality: options.OutputQuality = None,
    upscale: options.Upscale = None,
    background: options.Background = None,
    cache: options.Cache = None,
    preview: options.Preview = None,
    metadata: options.Metadata = None,
    webhook_url: options.WebhookUrl = None,
    webhook_event: options.WebhookEvents = None,
    no_wait: options.NoWait = False,
    idempotency_key: options.IdempotencyKey = None,
    profile: options.ProfileName = None,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> None:
    """Draw images and download them. Work that takes long becomes a job, which the command waits for."""
    given = locals()
    from imagegen_cli.drawing import draw_options

    draw_options(given)
