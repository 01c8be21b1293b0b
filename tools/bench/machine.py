"""Description of the machine and of library versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

_CPUINFO: Final = Path("/proc/cpuinfo")
_MEMINFO: Final = Path("/proc/meminfo")
INSTRUCTION_SETS: Final = (
    *("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8"),
    *("asimdhp", "bf16", "i8mm", "sve"),
)
"""Instruction sets of x86 and Arm that matter for matrix products."""
BFLOAT16: Final = {"avx512_bf16", "amx_bf16"}
PACKAGES: Final = ("openvino", "torch", "diffusers", "transformers", "boto3", "pillow")


def describe() -> dict[str, Any]:
    """Return processor, memory, load, kernel and versions, for the report."""
    text = _CPUINFO.read_text()
    found = set((_value(text, "flags") or _value(text, "Features")).split())
    return {
        "cpu": _value(text, "model name") or platform.machine(),
        "cpu_family_model": "/".join(filter(None, (_value(text, "cpu family"), _value(text, "model")))),
        "vcpus": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(_value(_MEMINFO.read_text(), "MemTotal").split()[0]) / 1024**2, 1),
        "instruction_sets": [name for name in INSTRUCTION_SETS if name in found],
        "load_average_at_start": round(os.getloadavg()[0], 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": {name: installed for name in PACKAGES if (installed := _version(name))},
    }


def computes_bfloat16(machine: dict[str, Any]) -> bool:
    """Return whether the described processor has bfloat16 instructions."""
    return not BFLOAT16.isdisjoint(machine["instruction_sets"])


def _value(text: str, name: str) -> str:
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
