"""The figures as a Markdown page."""

from __future__ import annotations

from typing import Any, Final

from tools.bench import cases, sections
from tools.bench.figures import Figures
from tools.bench.markdown import number, table

PICTURE: Final = "images/performance.png"
METHOD: Final = """\
- **One process per run**, started anew: times count from before it exists, on the machine's monotonic clock. *import*:
  the handler's module is imported. *ready*: all is loaded that needs no size, nothing is generated; processes of their
  own for ours, whose first image does not wait for it. *compiled*: nothing but the image's own work is left; ours
  compiles for the size asked, the naive handler has nothing to compile. *first image*: its PNG is stored. *warm image*:
  the whole second request.
- **Interleaved**: every round runs each row once, so that a slow minute hits all alike. Medians, with the least and the
  most in brackets.
- **The same start for all.** Before each run the files that will be loaded are read: page caches are warm, and a cold
  disk is not measured here. Memory is as the run before left it. The host of a virtual machine lends memory on first
  touch and takes free memory back, so that whoever comes after a pause pays seconds of system time; touching memory
  beforehand made that worse for what came next (docs/decisions.md).
- **The naive handler** is what diffusers' examples amount to: `from_pretrained` on float16 files in float32, guidance
  7.5, PNDM (five UNet calls for four steps), the checkpoint's own decoder, all vCPUs, PNG to S3 with boto3. Ours is the
  real Generator entrypoint, invoked directly: four Euler steps, no guidance, tiny decoder. *Equal work* compares both
  on the same calls, guidance and decoder.
- **Weights are random** in the architecture and size of Stable Diffusion 1.5: right for time and memory, silent on
  quality. S3 is a stand-in on this machine.
- **Without AVX-512** is `ONEDNN_MAX_CPU_ISA=AVX2` for both: all that Lambda guarantees on x86. It limits oneDNN, in
  torch and in OpenVINO, and nothing else.
- **Dollars** are those of these seconds at 10,240 MB and $0.0000166667 per GB-second. A function of that size has about
  six vCPUs; this machine has those named above."""


def render(figures: Figures, date: str, command: str) -> str:
    """The whole page."""
    sd15, demo = (sections.measured(figures, rows) for rows in (sections.SD15, sections.DEMO))
    parts = (
        "# Performance",
        f"Written by `{command}` on {date}: change `tools/bench/`, not this page.\n{_machine(figures.machine)}",
        f"![Seconds to the first image]({PICTURE})",
        _targets(figures),
        "## Stable Diffusion 1.5 (random weights), 512 x 512, four steps",
        sections.times(figures, sd15),
        "Peak memory and cost of an image:",
        sections.costs(figures, sd15),
        "## Equal work",
        sections.equal_work(figures),
        "## One UNet step, one thread, against the bound",
        sections.bound(figures),
        "## Without AVX-512",
        sections.without_avx512(figures),
        "## Demo model, 128 x 128, ten steps, guidance 1.5",
        sections.times(figures, demo),
        "## The handler itself",
        sections.handler(figures),
        "## Peers",
        sections.compared(figures),
        *_failures(figures),
        "## How it was measured",
        METHOD,
    )
    return "\n\n".join(parts) + "\n"


def _machine(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"Machine: {machine['cpu']} (family/model {machine['cpu_family_model']}), {machine['vcpus']} vCPU, "
        f"{machine['memory_gb']} GB, {', '.join(machine['instruction_sets'])}; Linux {machine['kernel']}; "
        f"load average at the start {machine['load_average_at_start']}.\n"
        f"Python {machine['python']}, {versions}."
    )


def _targets(figures: Figures) -> str:
    ratios = figures.ratios()
    ready = figures.ready(cases.F32.id)
    overhead = figures.document()["handler_overhead_ms"]
    rows: list[tuple[str, float | None, float, str, bool]] = [
        ("first image, float32, times faster", ratios["first_image_f32"], 5, "x", True),
        ("first image, bfloat16, times faster", ratios["first_image_bf16"], 8, "x", True),
        ("ready, times faster", ratios["ready"], 4, "x", True),
        ("ready", ready.median if ready else None, 1.2, " s", False),
        ("equal work, times faster than torch float32", ratios["equal_work"], 1.7, "x", True),
        ("one UNet step over the bound, float32, one thread", ratios["step_over_bound"], 1.10, "x", False),
        ("handler's overhead, warm", overhead, 5, " ms", False),
        *((f"import of {name}", figures.import_s.get(name), 0.5, " s", False) for name in ("generator", "api")),
    ]
    return table(
        ["", "measured", "wanted", ""],
        (
            [
                name,
                number(value, unit),
                f"{'at least' if more else 'at most'} {wanted:g}{unit}",
                _met(value, wanted, more),
            ]
            for name, value, wanted, unit, more in rows
        ),
    )


def _met(value: float | None, wanted: float, more: bool) -> str:
    if value is None:
        return "not measured"
    return "met" if (value >= wanted if more else value <= wanted) else "**missed**"


def _failures(figures: Figures) -> list[str]:
    failures = figures.results.failures
    return ["## Failed", "\n".join(f"- {text}" for text in failures.values())] if failures else []
