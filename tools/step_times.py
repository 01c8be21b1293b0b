"""Write the step times of `imagegen cost` from docs/performance.md: python -m tools.step_times.

What the page does not have, SDXL, is quoted here from docs/decisions/openvino.md.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from tools.local.process import ROOT

PAGE: Final = ROOT / "docs" / "performance.md"
TARGET: Final = ROOT / "cli" / "imagegen_cli" / "cost" / "step_times.json"
SD15: Final = "Stable Diffusion 1.5 (random weights), 512 x 512, four steps"
DEMO: Final = "Demo model, 128 x 128, ten steps, guidance 1.5"
ROWS: Final = (
    # architecture, section, row, instruction set, pixels a side, steps
    ("sd15", "Without AVX-512", "ours, float32", "avx2", 512, 4),
    ("sd15", SD15, "ours, float32", "avx512", 512, 4),
    ("sd15", SD15, "ours, bfloat16", "bfloat16", 512, 4),
    ("demo", DEMO, "ours, float32", "avx512", 128, 10),
    ("demo", DEMO, "ours, bfloat16", "bfloat16", 128, 10),
)
FIRST, WARM, STEP = 4, 5, 6
"""Columns: first image, warm image and UNet call, medians in seconds."""
SDXL: Final = (
    {
        # 14 s of loading; the first image took 10 s, 8.1 s of it in its only step.
        **{"architecture": "sdxl", "instruction_set": "avx512", "width": 512, "height": 512},
        **{"step_s": 8.1, "fixed_s": 1.9, "cold_s": 14.0, "vcpus": 1, "date": "2026-11-21"},
        "machine": "AMD Zen 5, one thread; int8 weights, tiny decoder; a single run",
        "source": "docs/decisions/openvino.md, SDXL in 10,240 MB",
    },
    {
        # Median of the three invocations' medians; decoding 4.9 s and storing 0.7 s. The first invocation took 826 s
        # for nine steps of 84.6 s, so it lost 64.6 s to loading and to the first step.
        **{"architecture": "sdxl", "instruction_set": "avx2", "width": 1024, "height": 1024},
        **{"step_s": 67.8, "fixed_s": 5.6, "cold_s": 64.6, "vcpus": 2, "date": "2026-11-26"},
        "machine": "AMD EPYC (25/17), 2 vCPU, shared with other work; int8 weights, tiny decoder; a single run",
        "source": "docs/decisions/openvino.md, 30 steps of SDXL at 1024 x 1024",
    },
)


def main() -> None:
    """Replace the file."""
    TARGET.write_text(json.dumps(document(PAGE.read_text()), indent=2) + "\n")


def document(page: str) -> dict[str, Any]:
    """Return the file's content for the text of docs/performance.md. Raises ValueError if a row is missing."""
    return {"generated_by": "python -m tools.step_times", "times": [*_measured(page), *SDXL]}


def _measured(page: str) -> list[dict[str, Any]]:
    date = _found(r"on (\d{4}-\d\d-\d\d)", page)[1]
    machine = _found(r"^Machine: ([^,]+), (\d+) vCPU", page)
    return [
        {
            **{"architecture": architecture, "instruction_set": instructions, "width": side, "height": side},
            **_times(_row(page, section, row), steps),
            **{"vcpus": int(machine[2]), "date": date, "machine": f"{machine[1]}, {machine[2]} vCPU"},
            "source": f"docs/performance.md, {section}",
        }
        for architecture, section, row, instructions, side, steps in ROWS
    ]


def _times(cells: list[float], steps: int) -> dict[str, float]:
    """What a warm image takes besides its steps is `fixed_s`; what the first one takes besides that, `cold_s`."""
    first, warm, step = cells[FIRST], cells[WARM], cells[STEP]
    return {"step_s": step, "fixed_s": round(warm - steps * step, 3), "cold_s": round(first - warm, 3)}


def _row(page: str, section: str, row: str) -> list[float]:
    """Return the medians of a row, NaN for what is not measured; the first cell is its name."""
    text = _found(rf"^## {re.escape(section)}\n(.*?)(?=^## )", page)[1]
    cells = _found(rf"^\| {re.escape(row)} \|(.*)\|$", text)[1].split("|")
    return [float("nan"), *(float(_found(r"[\d.]+|$", cell)[0] or "nan") for cell in cells)]


def _found(pattern: str, text: str) -> re.Match[str]:
    found = re.search(pattern, text, re.MULTILINE | re.DOTALL if "(.*?)" in pattern else re.MULTILINE)
    if found is None:
        raise ValueError(f"docs/performance.md has no {pattern}")
    return found


if __name__ == "__main__":
    main()
