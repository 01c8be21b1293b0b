"""Arguments and options of the commands. Names and rules of the request's fields are the API's, which checks them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ProfileName = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="Deployment to call, instead of the selected one.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Write one JSON document to stdout, and a failure as one line of JSON to stderr.")
]
Timeout = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Give up after this time, exit code 9. A job goes on. Default: never."),
]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.", show_default=False)]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, hyphens, underscores.", show_default=False)]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="PATH",
        help="File (.png, .jpg, .jpeg, .webp) or folder to write to. Several images become star-1.png, star-2.png. "
        "Default: a file named after the job.",
    ),
]

ImageInput = Annotated[
    str,
    typer.Option(
        "--image", metavar="FILE|ID", help="PNG, JPEG or WebP, or an id of `imagegen upload`.", show_default=False
    ),
]
MaskInput = Annotated[
    str | None,
    typer.Option(
        "--mask-image",
        metavar="FILE|ID",
        help="A picture of the image's size: white is repainted, black is kept. Default: all is repainted.",
    ),
]
Strength = Annotated[float | None, typer.Option(help="Above 0, at most 1: how much of the image to change.")]
ResizeMode = Annotated[
    str | None, typer.Option(help="crop, fit or stretch: how the image reaches another aspect ratio.")
]
PictureArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="PNG, JPEG or WebP; its content decides.", show_default=False)
]
Factor = Annotated[int, typer.Option(help="2 or 4.")]

Prompt = Annotated[str, typer.Argument(help="What the image shows; - reads it from stdin.", show_default=False)]
NegativePrompt = Annotated[str | None, typer.Option(help="What it must not show.")]
Model = Annotated[str | None, typer.Option(help="An id of `imagegen models`.")]
Width = Annotated[int | None, typer.Option(help="Pixels, a multiple of 8.")]
Height = Annotated[int | None, typer.Option(help="Pixels, a multiple of 8.")]
Steps = Annotated[int | None, typer.Option("--num-inference-steps", "--steps", help="Denoising steps.")]
GuidanceScale = Annotated[float | None, typer.Option(help="0 to 30.")]
Images = Annotated[int | None, typer.Option("--num-images-per-prompt", "-n", help="1 to 8.")]
Seed = Annotated[int | None, typer.Option(help="The same request with it gives the same image.")]
Scheduler = Annotated[str | None, typer.Option(help="One of the model's.")]
OutputFormat = Annotated[str | None, typer.Option(help="png, jpeg or webp. Default: that of --out, or png.")]
OutputQuality = Annotated[int | None, typer.Option(help="1 to 100, for jpeg and webp. Default: 90.")]
Upscale = Annotated[int | None, typer.Option(help="Enlarge the image 2 or 4 times.")]
Background = Annotated[str | None, typer.Option(help="opaque or transparent (png and webp).")]
Cache = Annotated[str | None, typer.Option(help="use, refresh or off.")]
Preview = Annotated[
    bool | None,
    typer.Option("--preview", help="While a job runs, `imagegen job ID --json` has a small picture of what it draws."),
]
Metadata = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Kept with the job; may be repeated."),
]
WebhookUrl = Annotated[str | None, typer.Option(metavar="URL", help="Gets the job's final state.")]
WebhookEvents = Annotated[
    list[str] | None,
    typer.Option(
        "--webhook-event",
        metavar="EVENT",
        help="job.succeeded, job.failed or job.cancelled; may be repeated. Default: all.",
    ),
]
IdempotencyKey = Annotated[
    str | None,
    typer.Option(metavar="KEY", help="Repeat an earlier request: its images are not drawn again. Default: a new key."),
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Create a job and return it at once.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the job is final; its end is the exit code.")]

BatchFile = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="JSON Lines: a request of the API in each line.", show_default=False),
]
BatchFolder = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        help="Folder of the images and of results.jsonl; created if missing. Default: in the current one, FILE's name "
        "without its extension.",
    ),
]
Concurrency = Annotated[int, typer.Option(min=1, max=64, help="Requests at a time.")]
BatchTimeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", help="Stop after this time, exit code 9. Default: never."),
]

Limit = Annotated[int | None, typer.Option(help="Jobs of a page, 1 to 100. Default: 20, with --all 100.")]
Cursor = Annotated[str | None, typer.Option(help="Where the page begins, as the previous page returned it.")]
Status = Annotated[
    str | None, typer.Option(help="Only jobs with this status: queued, running, succeeded, failed, cancelled.")
]
All = Annotated[bool, typer.Option("--all", help="Every page, one after the other.")]

FromMonth = Annotated[
    str | None,
    typer.Option("--from", metavar="MONTH", help="First month (UTC), such as 2026-10. Default: that of --to."),
]
ToMonth = Annotated[str | None, typer.Option("--to", metavar="MONTH", help="Last month. Default: the current one.")]
Months = Annotated[
    list[str] | None,
    typer.Option(
        "--month", metavar="MONTH", help="A month (UTC), such as 2026-10; may be repeated. Default: this one."
    ),
]
AsCsv = Annotated[bool, typer.Option("--csv", help="Write a line per row to stdout, without their sums.")]

Url = Annotated[
    str, typer.Argument(metavar="URL", help="Address that the routes are under, with the stage.", show_default=False)
]
Replace = Annotated[bool, typer.Option("--replace", help="Overwrite a profile of this name.")]
Token = Annotated[bool, typer.Option("--token", help="Keep a token of an issuer instead of an API key.")]

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, not the key.", show_default=False)]
Tenant = Annotated[str | None, typer.Option(help="The tenant of the key. Default: your own.")]
KeyName = Annotated[str | None, typer.Option(help="What the key is for.")]
Roles = Annotated[
    list[str] | None,
    typer.Option("--role", metavar="ROLE", help="user, operator or admin; may be repeated. Default: user."),
]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", metavar="SCOPE", help="Limits the key to scopes of its roles; may be repeated. Default: all of them."
    ),
]
Overlap = Annotated[
    int | None,
    typer.Option(metavar="SECONDS", help="How long both keys are valid. Default: 86400; 0 if one has leaked."),
]

MonthlyImages = Annotated[int, typer.Option("--images", help="Images a month.")]
CostModel = Annotated[str, typer.Option("--model", help="Model id; size and steps default to the model's.")]
Region = Annotated[str, typer.Option(help="AWS region; the price list has us-east-1, us-east-2 and us-west-2.")]
Memory = Annotated[int, typer.Option(metavar="MB", help="Memory of Generator, at most 10240.")]
Cpu = Annotated[
    str | None,
    typer.Option(help="Measurement to use: avx2, avx512 or bfloat16. Default: avx2, all that Lambda guarantees."),
]
StepSeconds = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Your own measurement: `denoise_ms` divided by steps.")
]
ActiveHours = Annotated[float, typer.Option(metavar="HOURS", help="Hours of the month with traffic, at most 730.")]
Peak = Annotated[float, typer.Option(help="Busiest hour divided by the mean; sizes the GPU fleet.")]
ColdStartShare = Annotated[
    float | None, typer.Option(metavar="SHARE", help="0 to 1. Default: estimated from the rate of images.")
]
Provisioned = Annotated[int, typer.Option(metavar="N", help="Provisioned concurrency during the active hours.")]
Gpu = Annotated[str | None, typer.Option(metavar="TYPE", help="EC2 instance type. Default: one with a published time.")]
GpuSeconds = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Time of an image on that GPU. Default: a published one.")
]
HostedUsd = Annotated[
    float | None,
    typer.Option(
        "--hosted-usd-per-image", metavar="USD", help="Price of a hosted API. Default: a provider's list price."
    ),
]
FreeTier = Annotated[bool, typer.Option("--free-tier", help="Subtract AWS's always-free tier.")]
PricesFile = Annotated[
    Path | None, typer.Option("--prices", metavar="FILE", help="Your own price list, in the format of the package's.")
]
Chart = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Draw the costs and break-evens (.png or .svg). Needs matplotlib.")
]
Idle = Annotated[bool, typer.Option("--idle", help="Show only what an idle stack costs.")]
