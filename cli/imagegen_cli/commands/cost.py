"""`imagegen cost`."""

from __future__ import annotations

from imagegen_cli import options


def cost(
    images: options.MonthlyImages = 10_000,
    model: options.CostModel = "sd-turbo",
    width: options.Width = None,
    height: options.Height = None,
    steps: options.Steps = None,
    region: options.Region = "us-east-1",
    memory: options.Memory = 10_240,
    cpu: options.Cpu = None,
    step_seconds: options.StepSeconds = None,
    active_hours: options.ActiveHours = 730,
    peak: options.Peak = 1,
    cold_start_share: options.ColdStartShare = None,
    provisioned: options.Provisioned = 1,
    gpu: options.Gpu = None,
    gpu_seconds: options.GpuSeconds = None,
    hosted_usd: options.HostedUsd = None,
    free_tier: options.FreeTier = False,
    prices: options.PricesFile = None,
    chart: options.Chart = None,
    idle: options.Idle = False,
    as_json: options.AsJson = False,
) -> None:
    """Estimate what a month of images costs on this stack, on a GPU and at a hosted API. Nothing is sent."""
    from imagegen_cli.cost.command import Asked, run_cost, run_idle
    from imagegen_cli.failure import usage

    if idle and chart is not None:
        raise usage("--idle: nothing to draw; leave out --idle or --chart.")
    if idle:
        run_idle(prices, region, as_json)
        return
    asked = Asked(
        images=images,
        model=model,
        width=width,
        height=height,
        steps=steps,
        memory_mb=memory,
        cpu=cpu,
        step_seconds=step_seconds,
        active_hours=active_hours,
        peak=peak,
        cold_start_share=cold_start_share,
        provisioned=provisioned,
        gpu=gpu,
        gpu_seconds=gpu_seconds,
        hosted_usd=hosted_usd,
        region=region,
        free_tier=free_tier,
    )
    run_cost(asked, prices, chart, as_json)
